"""An institution's own matters at the authorization server: its clients and keys, its webhooks, what it uses."""
