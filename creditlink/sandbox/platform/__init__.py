"""The whole sandbox: started, seeded, watched, stopped."""
