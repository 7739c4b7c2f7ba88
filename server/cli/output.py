"""How the commands speak: tables for people, one JSON document for programs, errors that say what to do next."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

P = ParamSpec("P")
R = TypeVar("R")

FAILED: Final = 1
stderr: Final = Console(stderr=True, highlight=False)
_stdout: Final = Console(highlight=False)


def show(document: Mapping[str, Any] | Sequence[Any], *, as_json: bool, table: Callable[[], Any]) -> None:
    """Print a result: as the one JSON document on stdout, or as `table()` makes it for people."""
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    else:
        _stdout.print(table())


@contextmanager
def steps(*expected: type[Exception]) -> Iterator[Callable[[str], None]]:
    """
    What a long command is at: a line that changes in a terminal, else a line each.

    Where one of the `expected` errors ends the block, the command fails by its text.
    """
    with stderr.status("starting") as status:

        def told(step: str) -> None:
            status.update(step)
            if not stderr.is_terminal:
                stderr.print(step)

        try:
            yield told
        except expected as error:
            fail(str(error))


def say(text: str, *, markup: bool = True) -> None:
    """A line for people on stdout."""
    _stdout.print(text, soft_wrap=True, markup=markup)


def facts(title: str, rows: Mapping[str, Any]) -> Table:
    """A table of names and values."""
    table = Table(title=escape(title), title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(escape(name), escape(_text(value)))
    return table


def rows(title: str, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> Table:
    """A table with a header."""
    table = Table(title=escape(title), title_justify="left", box=None)
    for place, column in enumerate(columns):  # what is cut off, or broken, can't be typed again
        table.add_column(escape(column), overflow="fold", no_wrap=place == 0)
    for line in lines:
        table.add_row(*(escape(_text(value)) for value in line))
    return table


def fail(text: str) -> NoReturn:
    """Say what is wrong and what to do, and end with status 1."""
    stderr.print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True)
    raise typer.Exit(FAILED)


def explained(*expected: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn errors whose text says what to do into such an end, without a traceback."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except expected as error:
                fail(str(error))

        return run

    return decorate


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None or value == "" else str(value)
