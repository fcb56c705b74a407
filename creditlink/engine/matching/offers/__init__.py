"""A product's terms for one firm: limit, price, yearly cost, odds."""
