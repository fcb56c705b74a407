"""How the platform is doing, for everybody: each source, each step of the way, the last hour and the last day."""
