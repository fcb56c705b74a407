"""The risk desk: archived decisions found, read, replayed, compared and taken out."""
