"""Who a client is, and how it proves that."""
