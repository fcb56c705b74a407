"""Looks at the archive: who may, finding decisions by what they say, and what staff note beside them."""
