"""`holdfast programmes`, as typed."""

import json

import pytest
import typer
from typer.testing import CliRunner

from server.cli import programmes


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast programmes …`; a JSON document where it ends well, else what it complains."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    monkeypatch.setenv("LOGNAME", "somebody")
    app = typer.Typer()
    app.add_typer(programmes.app, name="programmes")

    def run(line, *, table=False):
        done = CliRunner().invoke(app, [*line.split(), *(() if table else ("--json",))])
        if done.exit_code:
            return done.stderr
        return done.stdout if table else json.loads(done.stdout)

    return run


def test_a_posture_is_set_listed_and_told_by_people(holdfast):
    """In major units and words; what was set before, by whom, stays to be read."""
    stands_in = holdfast(
        "programmes posture standard --stand-in --amount-max 100.00 --count-max 3 --sum-max 200 "
        "--mcc 5812,5411 --by alice"
    )
    assert {name: stands_in[name] for name in ("posture", "amount_max_minor", "count_max", "categories")} == {
        "posture": "stand_in",
        "amount_max_minor": 10_000,
        "count_max": 3,
        "categories": ["5411", "5812"],
    }
    listed = holdfast("programmes list", table=True)
    assert "standard stand_in 100.00 USD 3 200.00 USD 5411, 5812 alice" in " ".join(listed.split())
    asked = holdfast("programmes posture standard --network")
    assert (asked["posture"], asked["amount_max_minor"], asked["changed_by"]) == ("network", None, "somebody")
    history = holdfast("programmes history standard")
    assert [(change["posture"], change["changed_by"]) for change in history] == [
        ("stand_in", "alice"),
        ("network", "somebody"),
    ]
    assert holdfast("programmes stand-in") == {"sums": [], "newest": []}
    assert "approved without the ledger" in holdfast("programmes stand-in", table=True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("standard", "one of --decline, --network and --stand-in"),
        ("standard --decline --network", "one of --decline, --network and --stand-in"),
        ("standard --decline --count-max 3", "go with --stand-in"),
        ("standard --stand-in --count-max 3", "needs --amount-max, --count-max and --sum-max"),
        ("standard --stand-in --amount-max 5 --count-max 3 --sum-max 9 --mcc 541", "mcc: '541'"),
        ("standard --stand-in --amount-max 5 --count-max 0 --sum-max 9", "count_max: it is 1 to 10000"),
        ("standard --stand-in --amount-max 5.001 --count-max 1 --sum-max 9", "more decimals than USD"),
        ("gold --network", "there is no 'gold'"),
    ],
)
def test_what_is_typed_wrongly_is_told_with_what_is_allowed(holdfast, words, complaint):
    """Nothing is changed."""
    assert complaint in " ".join(holdfast(f"programmes posture {words}").split())
    assert holdfast("programmes history standard") == []
