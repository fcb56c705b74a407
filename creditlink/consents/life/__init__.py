"""How a consent lives: approved, counted, taken in turns, ended; and what its bank hears of that."""
