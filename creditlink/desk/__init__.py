"""The bank desk: pages for lenders without programmers, a client of the same API as any bank's software."""
