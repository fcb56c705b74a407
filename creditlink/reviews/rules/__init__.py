"""What is decided about reviews, pure: causes, states, overrides and their limits."""
