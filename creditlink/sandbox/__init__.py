"""A synthetic city, three bureau servers and a demo bank."""
