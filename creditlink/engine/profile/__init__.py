"""The main job in one line, and its stored form."""
