"""What became of all applications: published truthfully, and learned from."""
