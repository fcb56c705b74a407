"""CreditLink: consented records of small firms, explained credit profiles, matched loan products."""

import gc

__version__ = "0.1.0"

# A start imports four thousand modules, whose objects stay: looking through them as often as Python does by itself took
# a quarter of every start, and a seventh of the tests.
gc.set_threshold(50_000, 20, 50)
