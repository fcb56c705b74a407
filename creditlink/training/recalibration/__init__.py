"""Fitting a model's level to real outcomes, its trees untouched."""
