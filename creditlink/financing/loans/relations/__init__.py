"""What ties a firm that agreed to others, and what the bank itself has out to its group."""
