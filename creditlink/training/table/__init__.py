"""The trainer on a table that it has never seen."""
