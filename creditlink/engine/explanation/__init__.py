"""Why a score is what it is: contributions, reasons, and what would change it."""
