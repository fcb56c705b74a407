"""The desk as an OAuth client: how it signs, asks and calls."""
