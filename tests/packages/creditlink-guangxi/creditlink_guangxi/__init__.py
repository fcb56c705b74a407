"""Social security of a second province for CreditLink."""
