"""The firm's own credit profile: what it says now, and what changed."""
