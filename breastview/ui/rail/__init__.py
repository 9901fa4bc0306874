"""The five steps of a review."""
