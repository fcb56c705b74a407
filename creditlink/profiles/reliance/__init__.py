"""How far a profile may be relied on: what the firm can bear, and until when the profile holds."""
