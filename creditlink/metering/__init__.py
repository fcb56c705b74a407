"""How much an institution, its software and a sender may ask for, and what an institution used."""
