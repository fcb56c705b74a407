"""What a process scores with, and how it learns of a change."""
