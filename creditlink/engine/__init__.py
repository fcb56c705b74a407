"""The calculation, pure from end to end: facts → indicators → score → explanation → matching → profile."""
