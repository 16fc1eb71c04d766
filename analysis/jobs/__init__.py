"""Training in worker processes."""
