"""Whether software beside CreditLink does what CreditLink asks for: a bank's webhook receiver, a source's connector."""
