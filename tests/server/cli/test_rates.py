"""`holdfast rates`, as typed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from server.cli import rates
from server.store.rates import RatesUnreadable, read_rates


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast rates …` on a database of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    app = typer.Typer()
    app.add_typer(rates.app, name="rates")
    return lambda *words: CliRunner().invoke(app, ["rates", *words])


def test_rates_are_imported_and_shown_with_their_age(holdfast, tmp_path):
    """The newest of each pair; a line says again what the day's rate is."""
    today = datetime.now(UTC).date()
    old = today - timedelta(days=10)
    file = tmp_path / "rates.csv"
    file.write_text(
        f"date,base,quote,rate,spread_bps\n{old},EUR,USD,1.05,\n{today},EUR,USD,1.0875,150\n{old},USD,JPY,150.25,0\n"
    )
    done = holdfast("import", str(file), "--spread-bps", "200", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"rates": 3, "first_day": str(old), "last_day": str(today)}
    assert holdfast("import", str(file)).exit_code == 0
    shown = json.loads(holdfast("show", "--json").stdout)
    assert [
        (line["base"], line["quote"], line["rate"], line["spread_bps"], line["good"]) for line in shown
    ] == [
        ("USD", "JPY", "150.25", 0, False),
        ("EUR", "USD", "1.0875", 150, True),
    ]


def test_nothing_is_imported_when_one_line_is_bad(holdfast, tmp_path):
    """Each bad line is named, and the exit status is 1."""
    file = tmp_path / "rates.csv"
    file.write_text(
        "date,base,quote,rate\n2026-11-20,EUR,USD,1.05\n2026-11-20,EUR,EUR,1\n20.11.2026,USD,JPY,1\n"
    )
    done = holdfast("import", str(file))
    assert done.exit_code == 1
    assert "line 3: base and quote are the same" in done.stderr and "line 4: '20.11.2026'" in done.stderr
    assert json.loads(holdfast("show", "--json").stdout) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the columns are"),
        ("date,base,quote\n", "line 1: the columns are"),
        ("date,base,quote,rate\n", "no rate follows"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD\n", "line 2: has another number of fields"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,1,2\n", "line 2: has another number of fields"),
        ("date,base,quote,rate\n2026-11-20,EUR,XAU,1\n", "line 2: 'XAU' is not a currency"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,-1\n", "line 2: a rate is more than zero"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,NaN\n", "line 2: a rate is more than zero"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,0\n", "line 2: a rate is more than zero"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,1e20\n", "line 2: a rate has at most"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,0.0000000000001\n", "line 2: a rate has at most"),
        ("date,base,quote,rate\n2026-11-20,EUR,USD,one\n", "line 2: 'one' is no rate"),
        ("date,base,quote,rate,spread_bps\n2026-11-20,EUR,USD,1,9999\n", "line 2: spread_bps must be"),
        (
            "date,base,quote,rate\n2026-11-20,EUR,USD,1\n2026-11-20,EUR,USD,2\n",
            "line 3: says again what line 2",
        ),
        ('date,base,quote,rate\n2026-11-20,EUR,USD,"1\n', "line 2:"),
    ],
)
def test_a_file_that_holds_no_rates_is_refused_with_the_line(text, complaint):
    """Columns, dates, currencies, numbers, repeats."""
    with pytest.raises(RatesUnreadable, match=complaint):
        read_rates(text.splitlines(keepends=True))
