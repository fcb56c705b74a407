"""`python -m creditlink` is `creditlink`."""

from creditlink.cli import main

main()
