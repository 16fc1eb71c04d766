"""Results in whole sentences, one file per view."""
