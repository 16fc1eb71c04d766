"""What is computed from a recorded run: decay, memory, gates, bounds, the gradient matrix."""
