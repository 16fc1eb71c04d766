"""The runs that are kept, in one file that several processes share."""
