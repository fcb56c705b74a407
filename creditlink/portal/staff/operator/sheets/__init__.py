"""The operator's larger tables: failed work, deliveries of webhooks."""
