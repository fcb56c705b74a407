"""Six more offices, six more dialects, all served by one process of the sandbox (docs/offices.md)."""
