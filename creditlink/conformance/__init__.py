"""The conformance kit: what every connector must do, as a pytest plugin that its author runs (docs/connectors.md)."""
