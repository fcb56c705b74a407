"""One application before one lender: its states, its events, its offers."""
