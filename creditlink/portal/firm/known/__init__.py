"""What is known of a firm: its profile, and the group that it is in."""
