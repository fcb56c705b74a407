"""Web pages: sign-in, the consent screen, the firm's home."""
