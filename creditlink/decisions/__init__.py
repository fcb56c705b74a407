"""Decisions that last: the sealed record of each profile, the policy it was made under, and its replay."""
