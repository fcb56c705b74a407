"""The main job in one line, and what is kept of it."""
