"""A person at the pages: sign-in, sessions, one-time codes."""
