"""What results say in whole sentences, one file per view."""
