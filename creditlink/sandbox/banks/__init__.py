"""Demo banks, which know the platform over public HTTP only."""
