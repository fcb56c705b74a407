"""Ways in: a forgotten password, an invitation, a proof of being the legal representative."""
