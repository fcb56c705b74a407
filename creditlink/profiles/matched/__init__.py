"""A profile's products: page by page, and what would open them."""
