"""The credit card: single facts about a firm, signed by us, which the firm shows one by one to whom it wants."""
