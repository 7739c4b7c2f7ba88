"""`python -m server.cli`: the same as `holdfast`."""

from server.cli import main

main()
