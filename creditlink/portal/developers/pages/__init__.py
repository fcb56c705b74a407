"""The developers' pages: their blueprint, signing in, the client, its keys, the log, firms and examples."""
