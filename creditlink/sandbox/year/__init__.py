"""Twelve simulated months on a synthetic city: firms ask, lenders answer by policies of their own, loans run."""
