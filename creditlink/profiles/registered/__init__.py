"""What the registry said of a profile's firm on its day, for the bank that reads the profile."""
