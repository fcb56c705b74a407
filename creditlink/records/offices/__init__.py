"""The offices as they are connected: which connectors there are, what configuration gives each, what it may deliver."""
