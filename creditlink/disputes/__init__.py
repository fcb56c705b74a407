"""Disputes of a firm about a datum: routed to the source, answered, corrected, and told to whoever relied on it."""
