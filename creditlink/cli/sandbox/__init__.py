"""Commands of the sandbox: the city, the demo, a year lived through."""
