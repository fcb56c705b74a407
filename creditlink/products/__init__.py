"""Loan products, eligibility rules and matching."""
