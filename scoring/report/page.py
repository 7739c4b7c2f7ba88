"""The page: chapters from figures, escaped and put into page.html with page.css."""

from pathlib import Path

import jinja2

from scoring.report.chapters import chapters
from scoring.report.scored import Scored


def write_report(path: Path, scored: Scored, *, created: str | None = None) -> None:
    """
    Writes the report of a scored history as one HTML file, UTF-8; `created` says when, where it should. The
    same history and that give the same bytes. Whole or not at all: raises OSError, naming the file.
    """
    page = render(scored, created=created)
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(page, encoding="utf-8", newline="\n")
        fresh.replace(path)
    except OSError as error:
        if fresh.is_file():
            fresh.unlink()
        raise OSError(f"{path} can't be written: {error}") from error


def render(scored: Scored, *, created: str | None = None) -> str:
    """The page as text. It loads nothing: styles and charts are in it, and no script is."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_kept_together,
    )
    return environment.get_template("page.html").render(
        model=scored.model,
        data=scored.data,
        created=created,
        chapters=chapters(scored),
    )


def _kept_together(value: object) -> object:
    """A number and its per cent sign don't part at the end of a line."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value
