"""Notices of adverse action: their words from stored reasons, their clock, their receipt."""
