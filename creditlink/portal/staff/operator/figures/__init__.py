"""Figures for the operator and the regulator, in which no small group of firms can be told apart."""
