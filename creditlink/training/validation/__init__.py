"""How good a model is: figures, segments, the page."""
