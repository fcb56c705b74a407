"""What became of all applications, told truthfully and learned from."""
