"""Results in words, tables and files."""
