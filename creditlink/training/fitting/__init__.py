"""Fitting a champion: booster, calibration, interval, peers."""
