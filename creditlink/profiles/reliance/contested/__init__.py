"""Profiles whose data a firm disputes: what they say without it, and once it is corrected."""
