"""CreditLink: consented records of small firms, explained credit profiles, matched loan products."""
