"""Profiles that go out, and the evidence of it."""
