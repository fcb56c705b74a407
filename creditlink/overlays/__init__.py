"""A bank's own overlay: its versions and their four eyes, its own columns, its results beside profiles."""
