"""Learning from what became of real applicants: labels, a model without any synthetic truth, and what it rests on."""
