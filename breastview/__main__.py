"""`python -m breastview` is the command line."""

from breastview.cli import main

main()
