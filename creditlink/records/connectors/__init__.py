"""Connectors: one per office, each speaking that office's dialect, all behind one protocol."""
