"""Where training samples come from, each cut by the application's own preprocessing and cached as arrays."""
