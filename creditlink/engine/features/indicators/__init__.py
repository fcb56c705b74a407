"""The indicators, one module for each dimension."""
