"""Firms: asking them, those that agreed, their profiles."""
