"""Models in the shadow: scored beside every profile, compared with the live one, never shown to a bank."""
