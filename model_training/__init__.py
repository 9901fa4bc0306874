"""Turns review records into model bundles and tables. Imported by nothing in `breastview`."""
