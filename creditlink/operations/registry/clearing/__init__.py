"""Codes to be cleared, over HTTP: for the operator alone."""
