"""`creditlink doctor`: what is missing or weak in an installation, all of it at once, each with what mends it."""
