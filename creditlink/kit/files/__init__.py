"""Files that people give us or get from us, read and written in one place."""
