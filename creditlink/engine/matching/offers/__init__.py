"""What a product comes to for a firm: limit, price, yearly cost, odds."""
