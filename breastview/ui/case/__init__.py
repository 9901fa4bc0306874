"""The case column: what is in the folder."""
