"""Banks and other lenders, their OAuth clients and keys."""
