"""What changed between two stored profiles of one firm: for the bank, the firm and the risk team."""
