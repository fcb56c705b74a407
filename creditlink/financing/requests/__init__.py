"""What a firm asks for, and what it could get."""
