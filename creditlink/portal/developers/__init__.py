"""The developers' desk of a sandbox: sign-up, keys, scripted firms, a log of one's requests, examples."""
