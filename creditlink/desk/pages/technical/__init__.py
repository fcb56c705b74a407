"""What connects the institution's software: clients, keys, webhooks, use."""
