"""Every command of `creditlink`, one file for each noun."""
