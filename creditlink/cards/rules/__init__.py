"""What a card says and when it is good, free of the database and the web."""
