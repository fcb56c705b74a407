"""What a firm hands in with a request: documents, sealed, and the receivables that it offers as security."""
