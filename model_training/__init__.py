"""Turns cohorts into model bundles with their cards. Imported by nothing in `breastview`."""
