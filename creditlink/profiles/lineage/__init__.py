"""Where an indicator of a profile comes from: its facts, their pulls, their offices."""
