"""Who works for the platform: people with roles, their keys, and acts that take two of them."""
