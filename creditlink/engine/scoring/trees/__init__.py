"""Shallow trees as tables: margins and exact SHAP values in one compiled pass."""
