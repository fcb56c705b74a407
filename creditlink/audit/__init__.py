"""Append-only, hash-chained evidence of every disclosure and refusal."""
