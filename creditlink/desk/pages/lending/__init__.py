"""Lending: applications, offers, what became of loans."""
