"""The registry's feed over HTTP, and the list of codes to be cleared: for the operator's clients."""
