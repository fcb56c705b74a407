"""Two sets of decisions side by side at the desk."""
