"""From a city of records to a validated model folder."""
