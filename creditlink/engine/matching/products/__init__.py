"""What a product is: its terms, its rules, and what those may speak about."""
