"""`holdfast limits`, `rules` and `blocks`, as typed."""

import asyncio
import json

import pytest
import typer
from typer.testing import CliRunner

from server.cli import blocks, limits, rules
from server.keys import Keys
from server.store.database import Database
from server.store.portfolio import Portfolio, demo_pan


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast …` on a database with two demo cards; a JSON document where it ends well, else what it complains."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    monkeypatch.setenv("LOGNAME", "somebody")
    app = typer.Typer()
    for name, room in (("limits", limits), ("rules", rules), ("blocks", blocks)):
        app.add_typer(room.app, name=name)

    async def fill():
        async with Database(database_url) as database:
            keys = Keys.open(tmp_path / "home")
            await database.belongs_to(keys)
            await Portfolio(database, keys).ensure_demo(2)

    asyncio.run(fill())

    def run(line, *words, table=False):
        done = CliRunner().invoke(app, [*line.split(), *words, *(() if table else ("--json",))])
        if done.exit_code:
            return done.stderr
        return done.stdout if table else json.loads(done.stdout)

    return run


def test_limits_are_set_listed_moved_and_removed_by_people(holdfast):
    """A card shows what it has from its programme and its account; each change says who made it."""
    count = holdfast("limits set --programme demo --measure count --window 1h --ceiling 10 --by alice")
    assert (count["name"], count["ceiling"], count["state"], count["changed_by"]) == (
        *("count_1h", 10, "live"),
        "alice",
    )
    own = holdfast("limits set --measure amount --window day --ceiling 250.50 --card", demo_pan(1))
    assert (own["card_number"], own["ceiling"], own["currency"], own["changed_by"]) == (
        1,
        25_050,
        "USD",
        "somebody",
    )
    shown = holdfast("limits list --card", demo_pan(1))
    assert [limit["name"] for limit in shown] == ["count_1h", "amount_day"]
    lifted = holdfast("limits set --account 1 --measure count --window 1h --ceiling none --by bob")
    assert (lifted["account_number"], lifted["ceiling"]) == (1, None)
    tried = holdfast(
        "limits set --programme demo --measure merchants --window 24h --of attempts --subject device "
        "--ceiling 5 --name many_shops --state draft --by bob"
    )
    number = str(tried["number"])
    assert holdfast("limits shadow", number, "--by", "bob")["state"] == "shadow"
    assert holdfast("limits live", number, "--by", "carol")["state"] == "live"
    assert holdfast("limits remove", number, "--by", "alice")["state"] == "retired"
    moves = holdfast("limits history", number)
    assert [(move["after"], move["changed_by"]) for move in moves] == [
        *(("draft", "bob"), ("shadow", "bob"), ("live", "carol"), ("retired", "alice")),
    ]
    assert number not in {str(limit["number"]) for limit in holdfast("limits list")}
    assert number in {str(limit["number"]) for limit in holdfast("limits list --programme demo --retired")}
    assert "250.50" in holdfast("limits list --card 1", table=True)
    assert "lifted" in holdfast("limits list --account 1", table=True)


SET = "limits set --programme demo "


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("limits set --measure count --window 1h --ceiling 1", "programme, an account or a card: name one"),
        (SET + "--account 1 --measure count --window 1h --ceiling 1", "name one of them"),
        ("limits set --programme gold --measure count --window 1h --ceiling 1", "there is no 'gold'; there are standard, demo"),
        ("limits set --account 77 --measure count --window 1h --ceiling 1", "account: there is no account 77"),
        ("limits set --card 77 --measure count --window 1h --ceiling 1", "There is no such card"),
        (SET + "--measure count --window 1h --ceiling many", "ceiling: 'many' is no number"),
        (SET + "--measure count --window 1h --ceiling none", "ceiling: what a programme has is retired"),
        (SET + "--measure amount --window 1h --ceiling 1.005", "more decimals than USD knows"),
        ("limits live 999", "There is no limit 999"),
        ("limits live 99999999999", "There is no limit 99999999999"),
        ("limits live 1 --by " + "x" * 101, "by: who makes the change has 1 to 100 characters"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_refused_by_name(shared, line, complaint):
    """The field, and what is allowed."""
    assert complaint in shared(line)


@pytest.fixture(scope="module")
def shared(postgres_url, tmp_path_factory):
    """Runs `holdfast …` where every command is refused: one database for all of them."""
    home = tmp_path_factory.mktemp("home")
    url = asyncio.run(_database(postgres_url, home))
    app = typer.Typer()
    for name, room in (("limits", limits), ("rules", rules), ("blocks", blocks)):
        app.add_typer(room.app, name=name)
    environment = {"HOLDFAST_HOME": str(home), "HOLDFAST_DATABASE_URL": url, "LOGNAME": "somebody"}
    return lambda line, *words: CliRunner().invoke(app, [*line.split(), *words], env=environment).stderr


async def _database(postgres_url, home):
    import asyncpg

    from server.store.postgres import DATABASE

    connection = await asyncpg.connect(postgres_url.replace(f"/{DATABASE}?", "/postgres?"))
    await connection.execute(f"CREATE DATABASE refusing TEMPLATE {DATABASE}")
    await connection.close()
    url = postgres_url.replace(f"/{DATABASE}?", "/refusing?")
    async with Database(url) as database:
        keys = Keys.open(home)
        await database.belongs_to(keys)
        await Portfolio(database, keys).ensure_demo(2)
    return url


def test_rules_are_drafted_tried_made_live_and_retired_by_people(holdfast):
    """Shown as they were written, each revision with who and when."""
    when = "amount > 500 and country not in US,GB"
    added = holdfast("rules add --name far_and_much --action decline --by alice --when", when)
    assert (added["state"], added["revision"], added["when"]) == ("draft", 1, when)
    assert holdfast("rules shadow far_and_much --by alice")["state"] == "shadow"
    assert holdfast("rules live far_and_much --by bob")["changed_by"] == "bob"
    assert holdfast("rules live far_and_much --by carol")["changed_by"] == "bob"
    second = holdfast("rules add --name far_and_much --action flag --programme demo --when", when)
    assert (second["revision"], second["programme"], second["changed_by"]) == (2, "demo", "somebody")
    assert "step_up" not in holdfast("rules list", table=True)
    assert [rule["state"] for rule in holdfast("rules show far_and_much")] == ["draft", "live"]
    assert holdfast("rules retire far_and_much --by alice")["revision"] == 2
    assert holdfast("rules retire far_and_much --by alice")["revision"] == 1
    assert holdfast("rules list") == []
    assert len(holdfast("rules list --retired")) == 2
    assert len(holdfast("rules history far_and_much")) == 6
    assert set(holdfast("rules hits far_and_much").values()) == {0}
    assert "on_paper" in holdfast("rules hits blocked_country --days 30", table=True)
    fields = {line["field"] for line in holdfast("rules fields")}
    assert {"amount_minor", "score", "speed_kmh", "is_domestic"} <= fields


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("rules add --name Far --action flag --when", "amount > 1"), "name: 'Far' is not up to 40"),
        (("rules add --name blocked_x --action flag --when", "amount > 1"), "blocked_ is for block lists"),
        (
            ("rules add --name far --action refuse --when", "amount > 1"),
            "action: 'refuse' is none of decline",
        ),
        (("rules add --name far --action flag --when", "amount >"), "when: 'amount >' is no condition"),
        (("rules add --name far --action flag --programme gold --when", "amount > 1"), "there is no 'gold'"),
        (("rules live far",), "There is no rule 'far'"),
        (("rules hits far",), "There is no rule 'far'"),
        (("blocks add country XX",), "country: 'XX' is no ISO 3166-1 country"),
        (("blocks add card 77",), "There is no such card"),
        (("blocks add country GB --label", "x" * 201), "label: has up to 200 characters"),
        (("blocks lift country GB",), "No block list names the country"),
        (("blocks history 9",), "There is no line 9"),
    ],
)
def test_a_rule_or_a_line_that_cannot_be_is_refused_by_name(shared, words, complaint):
    """The field, and what is allowed."""
    assert complaint in shared(*words)


def test_a_rule_goes_live_from_shadow_alone(holdfast):
    """What it would do is counted before it does it."""
    holdfast("rules add --name far --action flag --when", "amount > 1")
    complaint = "far can't go to live: it does from shadow, and revision 1 is draft."
    assert complaint in " ".join(holdfast("rules live far").split())


def test_block_lists_are_written_and_lifted_by_people(holdfast):
    """A line names what it blocks for people, and a card never by its whole PAN."""
    line = holdfast("blocks add card --by alice", demo_pan(1))
    assert (line["kind"], line["state"], line["changed_by"]) == ("card", "live", "alice")
    assert demo_pan(1) not in str(line) and demo_pan(1)[-4:] in line["label"]
    holdfast("blocks add merchant 123456/SHOP1 --state shadow --by bob --label", "a shop that isn't")
    holdfast("blocks add country gb --by bob")
    holdfast("blocks add device 0x00ff --state draft --by bob")
    listed = {(one["kind"], one["label"], one["state"]) for one in holdfast("blocks list")}
    assert listed == {
        ("card", line["label"], "live"),
        ("merchant", "a shop that isn't", "shadow"),
        ("country", "GB", "live"),
        ("device", "0x00ff", "draft"),
    }
    assert holdfast("blocks add merchant 123456/SHOP1 --by carol")["state"] == "live"
    assert holdfast("blocks lift card 1 --by carol")["state"] == "lifted"
    assert "SHOP1" not in holdfast("blocks list --kind card", table=True)
    assert [one["kind"] for one in holdfast("blocks list --kind card --lifted")] == ["card"]
    moves = holdfast("blocks history", str(line["number"]))
    assert [(move["after"], move["changed_by"]) for move in moves] == [("live", "alice"), ("lifted", "carol")]
