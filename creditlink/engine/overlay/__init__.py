"""A bank's own overlay on the score: its weights, columns, offsets and cut-offs, beside the base and never in it."""
