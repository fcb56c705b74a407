"""The firm's own records: what it uploads, and what was deleted."""
