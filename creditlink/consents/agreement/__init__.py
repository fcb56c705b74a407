"""What a firm agrees to: categories, limits, the request read in order, the text and its receipt."""
