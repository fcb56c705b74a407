"""Backups: one consistent picture of the database, signed, restored whole or not at all, and proven by a drill."""
