"""The rules of the watch, pure: drift against a reference, chance, outcomes, and which act follows."""
