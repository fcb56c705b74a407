"""Files that people hand over, read and written in one place."""
