"""The pages, one file for each matter."""
