"""The life of a credit model: who registered, validated, approved and put it to use, for which purpose, and back."""
