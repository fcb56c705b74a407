"""Policy bundles: everything besides a firm's data that a decision depends on, under one hash."""
