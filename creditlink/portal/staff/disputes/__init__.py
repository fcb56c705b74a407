"""The operator's pages of disputes: each source's queue and figures, routing by hand, answers that a person brings."""
