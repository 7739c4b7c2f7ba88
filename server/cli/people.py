"""Who makes a change: whom `--by` names, or else the user of this machine."""

import getpass
from typing import Annotated

import typer

from server.cli.output import fail

By = Annotated[str, typer.Option(help="Who makes the change; else the user of this machine.")]


def changer(by: str) -> str:
    """Who makes a change."""
    if by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        fail("by: this machine's user has no name; say --by NAME.")
