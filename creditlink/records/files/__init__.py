"""Records that come as files."""
