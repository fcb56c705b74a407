"""Commands that train, validate and register models."""
