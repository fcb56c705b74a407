"""Who works at an institution's desk."""
