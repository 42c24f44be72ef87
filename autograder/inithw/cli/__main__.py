"""`python -m inithw.cli`."""

from inithw.cli import main

main()
