"""The PDF report: frozen content first, then the page."""
