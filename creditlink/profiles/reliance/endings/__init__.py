"""Events that end a stored profile's validity early: detected, kept beside the profile, told to its bank."""
