"""The report of an evaluation: which other models stand beside, in which currency, by which costs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.cli.train import costs_of


def write(
    path: Path, data: Path, history: Any, found: Any, models: Sequence[Any], currency: Any, settings: Any
) -> None:
    """
    Writes the page of an examination: of the first of the models, beside the others.

    Raises ReportError where the history has no labels, or not both classes.
    """
    from scoring.report.examined import examined
    from scoring.report.page import write_report

    own, *others = models
    scored = examined(
        own,
        history,
        found.features,
        found.measured,
        data=data.name,
        costs=costs_of(settings),
        currency=currency,
        rivals=others,
        timed=True,
    )
    write_report(path, scored, created=datetime.now(UTC).isoformat(timespec="seconds"))


def currency_of(letters: str) -> Any:
    """A currency as the report shows it. Raises UnknownCurrency."""
    from ledger.money import exponent
    from scoring.report.scored import Currency

    return Currency(letters, exponent(letters))
