"""An institution's own products: their life, the steps of it, and the API that takes them."""
