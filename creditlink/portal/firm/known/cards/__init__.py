"""The firm's credit card: made, shown fact by fact, ended."""
