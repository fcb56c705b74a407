"""How a process starts, logs, counts, restarts and ends."""
