"""Three years in which a bank learns from nothing but its own loans, held against the truth."""
