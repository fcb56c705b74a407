"""The ways to a token, one module each."""
