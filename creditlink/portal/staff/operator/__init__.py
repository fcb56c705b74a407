"""The operator's desk: who is connected, what came in and what did not, what failed, and what is known of it."""
