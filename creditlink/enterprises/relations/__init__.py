"""What ties firms together: who holds, represents, houses and guarantees them."""
