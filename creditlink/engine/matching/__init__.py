"""Matching: rules first, then an order by approval odds, yearly cost and fit."""
