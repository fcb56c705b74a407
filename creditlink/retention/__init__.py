"""How long data lives: what a consent brought in and what was made of it is deleted when its data life ends."""
