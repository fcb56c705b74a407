"""Signed webhooks: what happened to a consent or a request for financing, told to the bank."""
