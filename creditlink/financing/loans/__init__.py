"""What became of a loan, as its lender reports it."""
