"""What every part builds on: clock, money, ids, errors, settings, database, queue."""
