"""The record frames: what every source is turned into, and all that indicators may read."""
