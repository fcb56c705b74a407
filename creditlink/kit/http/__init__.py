"""What every route shares: the API frame, the border, paging, idempotency."""
