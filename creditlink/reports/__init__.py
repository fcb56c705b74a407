"""Credit reports: signed, typeset, watermarked for one recipient, verified by anybody, revoked by the firm."""
