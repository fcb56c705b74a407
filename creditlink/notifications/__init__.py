"""Signed webhooks that tell banks what happened to a consent or a request for financing."""
