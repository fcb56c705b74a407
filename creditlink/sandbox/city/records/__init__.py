"""What the offices of the synthetic city hold of each firm."""
