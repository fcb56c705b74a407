"""Pulls: when a source is asked, and what it answered."""
