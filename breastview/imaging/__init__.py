"""Reading breast cases: scan a folder, give each volume a role, load pixels with their geometry."""
