"""What the institution sets: its products, its overlay."""
