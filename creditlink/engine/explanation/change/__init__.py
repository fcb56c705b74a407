"""What changed between two profiles of one firm: the change in points, split exactly, and told in words."""
