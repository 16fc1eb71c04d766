"""The user's own models: files, layers found in them, training loops that are watched."""
