"""The front of the server: whatever waits, waits here, in the event loop, and holds no thread."""
