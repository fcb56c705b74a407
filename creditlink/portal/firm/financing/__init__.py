"""Pages on which a firm asks for a loan and answers offers."""
