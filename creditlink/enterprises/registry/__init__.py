"""The registry lives: its feed, what it says of a firm on a day, and codes that must be cleared."""
