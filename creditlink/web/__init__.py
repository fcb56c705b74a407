"""The web application: its parts, its processes, its health."""
