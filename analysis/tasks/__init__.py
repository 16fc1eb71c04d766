"""What the network must remember."""
