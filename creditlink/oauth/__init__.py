"""The authorization server: PAR, codes, tokens, introspection, revocation, grants."""
