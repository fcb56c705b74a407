"""The guard of every read: the token, the proof of its key, and the client and institution behind it."""
