"""The server's keys and the backups: what is sealed where, a new key, everything sealed anew, restored and proven."""
