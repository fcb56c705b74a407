"""The review queue at the desk: cases with their clocks, decisions of people, overrides, notices."""
