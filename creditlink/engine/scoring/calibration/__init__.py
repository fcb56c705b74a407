"""From a margin to a probability, and how sure it is."""
