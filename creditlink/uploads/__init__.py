"""What a firm uploads itself where its tax office's answer is missing: read, kept apart, checked against the office."""
