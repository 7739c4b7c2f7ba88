"""`holdfast rates`: exchange rates imported by the day, and shown as they are good now."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home, at_desk, settings_of
from server.cli.output import fail, rows, show

app = typer.Typer(
    help="Exchange rates: import, show. A running server follows within 1 s.", no_args_is_help=True
)


@app.command("import")
def import_rates(
    file: Annotated[Path, typer.Argument(help="CSV with the columns date,base,quote,rate[,spread_bps].")],
    spread_bps: Annotated[
        int, typer.Option(min=0, max=5_000, help="Spread of lines that have none of their own.")
    ] = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Import rates, all or none; a line of the same day and pair takes the place of the one before."""
    from server.store.rates import RatesUnreadable, RateTable, read_rates

    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rates = read_rates(lines, spread_bps=spread_bps)
    except RatesUnreadable as error:
        fail(f"{file}: nothing was imported\n{error}")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} can't be read: {error}")
    at_desk(home, lambda database, _keys: RateTable(database).put(rates))
    document = {
        "rates": len(rates),
        "first_day": min(rate.day for rate in rates).isoformat(),
        "last_day": max(rate.day for rate in rates).isoformat(),
    }
    line = [tuple(document.values())]
    show(document, as_json=as_json, table=lambda: rows("imported", ("rates", "first day", "last day"), line))


@app.command("show")
def show_rates(home: Home = None, as_json: AsJson = False) -> None:
    """Show the newest rate of each pair, and until when it is good."""
    from ledger.exchange import valid_until_s
    from ledger.money import currency_letters
    from server.store.rates import RateTable

    now = datetime.now(UTC)
    age_max_s = settings_of(home).rate_age_max_h * 3600
    found = at_desk(home, lambda database, _keys: RateTable(database).newest(now.date()))
    document: list[dict[str, Any]] = []
    for rate in found:
        until = datetime.fromtimestamp(valid_until_s(rate.day, age_max_s), UTC)
        document.append(
            {
                "date": rate.day.isoformat(),
                "base": currency_letters(rate.base),
                "quote": currency_letters(rate.quote),
                "rate": f"{rate.rate.normalize():f}",
                "spread_bps": rate.spread_bps,
                "good_until": until.isoformat(),
                "good": now <= until,
            }
        )
    columns = ("date", "base", "quote", "rate", "spread_bps", "good_until", "good")
    lines = [tuple(line[column] for column in columns) for line in document]
    show(document, as_json=as_json, table=lambda: rows("rates", columns, lines))
