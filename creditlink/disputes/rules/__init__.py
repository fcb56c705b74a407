"""What is decided about disputes, pure: states, working days, references to a datum, evidence, repair."""
