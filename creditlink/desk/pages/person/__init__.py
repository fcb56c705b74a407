"""Coming in, one's security keys, one's colleagues."""
