"""Who relied on a datum that was corrected: told, and acknowledged."""
