"""A whole city in partitions: read, computed, summed up."""
