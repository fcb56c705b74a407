"""Products in files: the seed, and the files that lenders hand over."""
