"""Decisions that a person looks at: the queue, overrides beside the model's result, and notices of adverse action."""
