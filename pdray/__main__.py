"""`python -m pdray`."""

from pdray.cli import main

main()
