"""Pages of a firm: requests, consents, who read what, its profile, its people."""
