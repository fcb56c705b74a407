"""Signed webhooks: what happened to a consent (and later to a request for financing), told to the bank."""
