"""The watch over models in operation: what moved, what was missing, how outcomes ripened, and what is done about it."""
