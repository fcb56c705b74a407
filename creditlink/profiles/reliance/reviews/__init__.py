"""What people make of a profile, beside the score: opened with it, read with it, asked for by its bank."""
