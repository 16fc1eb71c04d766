"""The history: finished and unfinished runs in one file, which several processes share."""
