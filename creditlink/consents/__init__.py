"""The consent artefact: what a firm agreed, its states, limits and receipts."""
