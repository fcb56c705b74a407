"""Drawings of the staff pages, computed on the server: lines over days, swarms of points. Each has its table."""
