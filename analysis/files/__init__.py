"""Files from anywhere, read as arrays of numbers: nothing in them is executed, memory and time are bounded."""
