"""Indicators: one catalogue and one implementation, for one firm and for millions."""
