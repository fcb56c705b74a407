"""The firm's pages of disputes: filing one, what became of it, and who has acknowledged its correction."""
