"""Rows that did not read: a queue for each source, from the first meeting to the correction."""
