"""What the bureaus know: catalogue, connectors, pulls, stored facts, quality."""
