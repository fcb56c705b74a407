"""The credit model: PD, points, grade, exact contributions, reason codes."""
