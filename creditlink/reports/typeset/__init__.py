"""The pages of a report: typeset with fonts of our own, drawn from the claims alone."""
