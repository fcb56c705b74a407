"""Three offices, three dialects: the sandbox's tax, social-security and utility bureaus (docs/bureaus.md)."""
