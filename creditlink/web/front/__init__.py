"""The front of the server: requests wait here, in the event loop, and need no thread for it."""
