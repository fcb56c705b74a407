"""People at a browser."""
