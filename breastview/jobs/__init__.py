"""Background work: requests, progress, cancellation, and the model process."""
