"""Financing: from what a firm asks for to money repaid, each fact kept apart."""
