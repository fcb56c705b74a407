"""CreditLink: consented records of small firms, explained credit profiles, matched loan products."""

__version__ = "0.1.0"
