"""Tasks: sequences that hold something to remember, and the targets to answer with."""
