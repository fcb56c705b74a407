"""`python -m creditlink` is `creditlink`."""

from creditlink.cli.main import main

main()
