"""Limits, rules and block lists as PostgreSQL has them and as the core takes them over."""

import asyncio
import time
from dataclasses import replace

import asyncpg
import numpy as np
import pytest

from scoring.limit import Measure, Of, Subject
from server.core.block_lists import BlockEntry, BlockKind
from server.core.directory import Action, Condition, Directory, Operator
from server.core.limit_sets import Limit, Window
from server.store.blocks import Blocks
from server.store.conditions import Codes, parse_conditions
from server.store.database import Database
from server.store.directory_feed import DirectoryFeed
from server.store.lifecycle import changing
from server.store.limits import Limits, NewLimit, Scope
from server.store.portfolio import Portfolio
from server.store.rules import RuleHits, Rules

EFFECT_S = 1.0
BOUND_S = 10


@pytest.fixture
def on_cards(run, database_url, keys):
    """Runs `body(database, core)` on a database with four demo cards, of which the last two share an account."""

    async def filled(body):
        async with Database(database_url) as database:
            await Portfolio(database, keys).ensure_demo(4)
            async with database.acquire() as connection:
                await connection.execute("UPDATE cards SET account_number = 2 WHERE number = 3")
            core = Core(database)
            await core.read()
            await body(database, core)

    return lambda body: run(filled(body))


class Core:
    """A directory that follows a database by hand."""

    def __init__(self, database):
        self.directory, self._feed, self._position = Directory(), DirectoryFeed(database), None

    async def read(self):
        """Takes over what changed since."""
        async for chunk in self._feed.read(self._position):
            self.directory.apply(chunk.change)
            self._position = chunk.position

    def limits_of(self, card):
        """What a card is judged by: of each limit what it measures and its ceiling."""
        known = self.directory
        table = known.limit_sets.compile({p.number: p.limits for p in known.programmes.values()})
        row = known.cards[card]
        number = int(row["limits"]) or known.limit_sets.own(int(row["programme"]))
        found = table.limits[table.sets[number] : table.sets[number + 1]]
        return sorted(
            (
                known.limit_names[int(limit["name"])],
                int(limit["ceiling"]),
                "shadow" if limit["shadow"] else "live",
            )
            for limit in found
        )


def count(ceiling, window="1h", **fields):
    """A limit on how often a card is used."""
    return NewLimit(measure="count", window=window, ceiling=ceiling, **fields)


async def programme_of_cards(limits):
    """The scope of the demo programme."""
    return await limits.scope(programme="demo", account_number=None, card_number=None)


def test_a_limit_reaches_the_cards_of_its_programme_account_and_card(on_cards):
    """The nearest to the card counts, what is lifted is gone, and what measures something else stays."""

    async def body(database, core):
        limits = Limits(database)
        programme = await programme_of_cards(limits)
        await limits.set(programme, count(10), changed_by="alice")
        await limits.set(programme, count(50, "24h"), changed_by="alice")
        await limits.set(Scope(account_number=2), count(7), changed_by="bob")
        await limits.set(Scope(card_number=3), count(3), changed_by="bob")
        await limits.set(Scope(card_number=1), count(None, "24h"), changed_by="bob")
        await limits.set(Scope(card_number=0), count(5, subject="merchant", of="attempts"), changed_by="bob")
        await core.read()
        day = ("count_24h", 50, "live")
        assert core.limits_of(0) == [("count_1h", 10, "live"), day, ("merchant_attempts_count_1h", 5, "live")]
        assert core.limits_of(1) == [("count_1h", 10, "live")]
        assert core.limits_of(2) == [("count_1h", 7, "live"), day]
        assert core.limits_of(3) == [("count_1h", 3, "live"), day]

    on_cards(body)


def test_a_limit_set_anew_retired_or_lifted_is_followed(on_cards):
    """On an account with two cards, and by their programme; a card without overrides has its programme's set again."""

    async def body(database, core):
        limits = Limits(database)
        programme = await programme_of_cards(limits)
        first = await limits.set(programme, count(10), changed_by="alice")
        account = await limits.set(Scope(account_number=2), count(7), changed_by="alice")
        await core.read()
        assert [core.limits_of(card)[0][1] for card in range(4)] == [10, 10, 7, 7]
        second = await limits.set(programme, count(12), changed_by="alice")
        assert (await limits.show(first.number)).state == "retired" and second.number != first.number
        await limits.move(account.number, "retired", changed_by="carol")
        await core.read()
        assert [core.limits_of(card) for card in range(4)] == [[("count_1h", 12, "live")]] * 4
        assert not core.directory.cards["limits"].any()
        await limits.move(second.number, "retired", changed_by="carol")
        await core.read()
        assert [core.limits_of(card) for card in range(4)] == [[]] * 4

    on_cards(body)


def test_a_limit_in_shadow_stands_beside_the_live_one_until_it_takes_its_place(on_cards):
    """A draft does nothing at all."""

    async def body(database, core):
        limits = Limits(database)
        programme = await programme_of_cards(limits)
        await limits.set(programme, count(10), changed_by="alice")
        draft = await limits.set(programme, count(4, state="draft"), changed_by="alice")
        await core.read()
        assert core.limits_of(0) == [("count_1h", 10, "live")]
        await limits.move(draft.number, "shadow", changed_by="alice")
        await core.read()
        assert core.limits_of(0) == [("count_1h", 4, "shadow"), ("count_1h", 10, "live")]
        await limits.move(draft.number, "live", changed_by="bob")
        await core.read()
        assert core.limits_of(0) == [("count_1h", 4, "live")]
        moves = await limits.history(draft.number)
        assert [(move.before, move.after, move.changed_by) for move in moves] == [
            ("", "draft", "alice"),
            ("draft", "shadow", "alice"),
            ("shadow", "live", "bob"),
        ]

    on_cards(body)


def test_a_limit_reaches_a_card_that_moves_to_its_account_later(on_cards):
    """And leaves one that moves away, whichever table changed."""

    async def body(database, core):
        await Limits(database).set(Scope(account_number=2), count(7), changed_by="alice")
        async with database.acquire() as connection:
            await connection.execute("UPDATE cards SET account_number = 2 WHERE number = 0")
            await connection.execute("UPDATE cards SET account_number = 3 WHERE number = 3")
        await core.read()
        assert [core.limits_of(card) for card in range(4)] == [
            [("count_1h", 7, "live")],
            [],
            [("count_1h", 7, "live")],
            [],
        ]

    on_cards(body)


def test_the_former_columns_of_programmes_are_limits_under_their_former_names(on_cards):
    """Numbered as the bits of older decisions were, by whom the migration says."""

    async def body(database, core):
        assert [core.directory.limit_names[number] for number in range(1, 12)] == [
            *("count_1m", "count_1h", "count_24h", "count_7d"),
            *("amount_1m", "amount_1h", "amount_24h", "amount_7d"),
            *("amount_transaction", "amount_day", "amount_month"),
        ]
        limits = await Limits(database).listed()
        assert [(limit.name, limit.ceiling, limit.currency) for limit in limits] == [
            ("amount_transaction", 250_000, 840),
            ("amount_day", 500_000, 840),
            ("amount_month", 2_500_000, 840),
        ]
        assert {(limit.programme, limit.state, limit.changed_by) for limit in limits} == {
            ("standard", "live", "migration 0010")
        }
        assert core.directory.programmes[0].limits[1] == Limit(
            2, 10, Subject.CARD, Measure.AMOUNT, Of.APPROVALS, Window.DAY, 500_000
        )

    on_cards(body)


def test_rules_come_to_the_core_while_they_are_in_shadow_or_live(on_cards):
    """Of two revisions the one before goes on until the next takes its place."""

    async def body(database, core):
        rules = Rules(database)
        conditions = parse_conditions("amount > 500 and category in 6011,7995", Codes())

        async def standing():
            await core.read()
            return [(rule.number, rule.shadow) for rule in core.directory.rules.values()]

        first = await rules.add("big", conditions, "decline", changed_by="alice")
        assert await standing() == []
        await rules.move("big", "shadow", changed_by="bob")
        assert await standing() == [(first.number, True)]
        rule = core.directory.rules[first.number]
        assert (core.directory.rule_names[rule.name], rule.action, rule.programme) == (
            "big",
            Action.DECLINE,
            None,
        )
        assert rule.conditions == (
            Condition("amount", Operator.ABOVE, (500.0,)),
            Condition("category", Operator.IN, (6011.0, 7995.0)),
        )
        await rules.move("big", "live", changed_by="bob")
        assert await standing() == [(first.number, False)]
        second = await rules.add("big", conditions[:1], "flag", programme="demo", changed_by="alice")
        assert second.revision == 2 and await standing() == [(first.number, False)]
        await rules.move("big", "shadow", changed_by="alice")
        assert sorted(await standing()) == [(first.number, False), (second.number, True)]
        await rules.move("big", "live", changed_by="alice")
        assert await standing() == [(second.number, False)]
        assert core.directory.rules[second.number].programme == 1
        await rules.move("big", "retired", changed_by="alice")
        assert await standing() == []
        moves = [(revision, move.after, move.changed_by) for revision, move in await rules.history("big")]
        assert moves == [
            *((1, "draft", "alice"), (1, "shadow", "bob"), (1, "live", "bob"), (2, "draft", "alice")),
            *((2, "shadow", "alice"), (1, "retired", "alice"), (2, "live", "alice"), (2, "retired", "alice")),
        ]

    on_cards(body)


def test_lines_of_block_lists_come_by_their_state(on_cards):
    """A card by its token too; lifted and written again."""

    async def body(database, core):
        blocks = Blocks(database)
        async with database.acquire() as connection:
            token = (await connection.fetchval("SELECT id FROM cards WHERE number = 2")).hex
        line = await blocks.put("card", f"card_{token}", label="card 2", changed_by="alice")
        await blocks.put("country", "643", state="shadow", changed_by="alice")
        await blocks.put("ip", "198.51.100.66", state="draft", changed_by="alice")
        await core.read()
        card_id = tuple(map(int, core.directory.cards[2]["card_id"]))
        card, country = BlockEntry(BlockKind.CARD, card_id), BlockEntry(BlockKind.COUNTRY, (643, 0))
        assert list(core.directory.blocks) == [replace(country, shadow=True), card]
        await blocks.put("country", "643", changed_by="bob")
        await blocks.lift(line.number, changed_by="bob")
        await core.read()
        assert list(core.directory.blocks) == [country]
        await blocks.put("card", token, state="shadow", changed_by="carol")
        await core.read()
        assert list(core.directory.blocks) == [country, replace(card, shadow=True)]
        moves = [(move.after, move.changed_by) for move in await blocks.history(line.number)]
        assert moves == [("live", "alice"), ("lifted", "bob"), ("shadow", "carol")]

    on_cards(body)


def test_a_change_is_with_the_core_within_a_second(on_cards):
    """Of a limit, a rule and a block list, each from its commit on: the best of some changes."""

    async def body(database, _core):
        directory, changed = Directory(), asyncio.Condition()

        async def take(chunk):
            async with changed:
                directory.apply(chunk.change)
                changed.notify_all()

        async def taken_over_s(change, fact):
            await change
            committed_s = time.monotonic()
            async with changed:
                await asyncio.wait_for(changed.wait_for(fact), BOUND_S)
            return time.monotonic() - committed_s

        following = asyncio.create_task(DirectoryFeed(database).follow(None, take))
        try:
            async with changed:
                await asyncio.wait_for(changed.wait_for(lambda: directory.count == 4), BOUND_S)
            limits, blocks, rules = Limits(database), Blocks(database), Rules(database)
            for name in ("far", "farther", "farthest"):
                await rules.add(name, [{"field": "amount", "above": 1}], "flag", changed_by="alice")
            took_s = [
                [
                    await taken_over_s(
                        limits.set(Scope(card_number=card), count(1), changed_by="alice"),
                        lambda card=card: directory.cards["limits"][card] != 0,
                    )
                    for card in range(3)
                ],
                [
                    await taken_over_s(
                        blocks.put("country", country, changed_by="alice"),
                        lambda known=known: len(list(directory.blocks)) == known,
                    )
                    for known, country in enumerate(("643", "112", "364"), start=1)
                ],
                [
                    await taken_over_s(
                        rules.move(name, "shadow", changed_by="alice"),
                        lambda known=known: len(directory.rules) == known,
                    )
                    for known, name in enumerate(("far", "farther", "farthest"), start=1)
                ],
            ]
            assert max(map(min, took_s)) < EFFECT_S, took_s
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    on_cards(body)


REFUSED = [
    ("UPDATE limits SET ceiling = 1", "a limit is never changed in place: retire number"),
    ("UPDATE limits SET state = 'draft' WHERE number = 1", "a limit does not go from live to draft"),
    ("UPDATE rules SET action = 'decline'", "a rule is never changed in place"),
    ("UPDATE rules SET state = 'live'", "a rule does not go from draft to live"),
    ("INSERT INTO rules (name, conditions, action, state) VALUES ('x', '[{\"field\": \"a\", \"above\": 1}]', 'flag', 'live')",
     "a rule does not go from nothing to live"),
    ("UPDATE block_entries SET kind = 'ip'", "a block is never changed in place"),
    ("DELETE FROM limits", "closed, never deleted"),
    ("DELETE FROM lifecycle_changes", "closed, never deleted"),
    ("INSERT INTO limits (programme, name, measure, period, ceiling) VALUES (0, 'a', 'count', 'day', 1)",
     "calendar_limits_are_of_amounts"),
    ("INSERT INTO limits (programme, name, measure, period, ceiling) VALUES (0, 'a', 'cards', '1h', 1)",
     "distinct_measures_are_of"),
    ("INSERT INTO limits (programme, name, measure, period) VALUES (0, 'a', 'count', '1h')",
     "limits_of_a_programme_have_a_ceiling"),
    ("INSERT INTO limits (name, measure, period, ceiling) VALUES ('a', 'count', '1h', 1)", "limits_belong_to_one"),
    ("INSERT INTO limits (programme, name, measure, period, ceiling) VALUES (0, 'amount_day', 'amount', 'day', 1)",
     "limits_live"),
    ("INSERT INTO rules (name, conditions, action) VALUES ('x', '[]', 'flag')", "rules_conditions_check"),
    ("INSERT INTO rules (name, conditions, action) VALUES ('x', '[{\"field\": \"a\", \"near\": 1}]', 'flag')",
     "rules_conditions_check"),
    ("INSERT INTO rules (name, conditions, action) VALUES ('x', '[{\"field\": \"a\", \"in\": [1, \"b\"]}]', 'flag')",
     "rules_conditions_check"),
]  # fmt: skip


def test_postgresql_refuses_what_would_change_or_skip_a_life(run, database_url):
    """By whatever hand: the schema says so itself."""

    async def body():
        async with Database(database_url) as database, database.acquire() as connection:
            await connection.execute(
                "INSERT INTO block_entries (kind, value) VALUES ('device', decode(repeat('01', 16), 'hex'));"
                "INSERT INTO rules (name, conditions, action) VALUES ('big', '[{\"field\": \"a\", \"above\": 1}]', 'flag')"
            )
            for sql, complaint in REFUSED:
                with pytest.raises(asyncpg.PostgresError, match=complaint):
                    await connection.execute(sql)

    run(body())


def test_a_change_by_hand_is_written_down_under_the_user_of_the_database(run, database_url):
    """Where nobody is named; a name holds for its transaction alone."""

    async def body():
        async with Database(database_url) as database:
            async with changing(database, "  alice ") as connection:
                await connection.execute("UPDATE limits SET state = 'retired' WHERE number = 1")
            async with database.acquire() as connection:
                await connection.execute("UPDATE limits SET state = 'retired' WHERE number = 2")
                user = await connection.fetchval("SELECT session_user")
            limits = Limits(database)
            assert (await limits.history(1))[-1].changed_by == "alice"
            assert (await limits.history(2))[-1].changed_by == user

    run(body())


def test_sets_of_limits_are_used_again_when_no_card_has_them(on_cards):
    """A card whose limit changes a hundred times leaves no hundred sets behind."""

    async def body(database, core):
        limits = Limits(database)
        for ceiling in range(1, 6):
            await limits.set(Scope(card_number=1), count(ceiling), changed_by="alice")
            await core.read()
        assert core.limits_of(1) == [("count_1h", 5, "live")]
        assert len(core.directory.limit_sets.compile({}).sets) <= 6
        assert np.count_nonzero(core.directory.cards["limits"]) == 1

    on_cards(body)


def test_hits_of_a_rule_are_counted_from_its_decisions(run, database_url):
    """Live, on paper, and what was approved although the rule in shadow was against it; not what is long ago."""

    async def body():
        async with Database(database_url) as database, database.acquire() as connection:
            rules = Rules(database)
            await rules.add("far", [{"field": "amount", "above": 1}], "flag", changed_by="alice")
            number = await connection.fetchval("SELECT number FROM rule_names WHERE name = 'far'")
            columns = await connection.fetch(
                "SELECT column_name AS name, data_type AS kind FROM information_schema.columns "
                "WHERE table_name = 'authorizations' AND is_nullable = 'NO' AND column_default IS NULL"
            )
            empty = {
                "timestamp with time zone": "now()",
                "uuid": "gen_random_uuid()",
                "text": "''",
                "bytea": "''",
                "boolean": "false",
                "ARRAY": "'{}'",
            }
            plain = {row["name"]: empty.get(row["kind"], "0") for row in columns}
            for fields in (
                {"rules_hit": f"'{{{number},0,0,0}}'"},
                {"rules_shadowed": f"'{{1,{number},0,0}}'", "approved_minor": "700"},
                {"rules_shadowed": f"'{{{number},0,0,0}}'"},
                {"rules_shadowed": f"'{{{number},0,0,0}}'", "transmission_time": "now() - interval '8 days'"},
                {"rules_shadowed": f"'{{{number},0,0,0}}'", "operation": "2"},
                {},
            ):
                line = {**plain, "operation": "1", **fields}
                await connection.execute(
                    f"INSERT INTO authorizations ({', '.join(line)}) VALUES ({', '.join(line.values())})"
                )
            assert await rules.hits("far", days=7) == RuleHits(1, 2, 1, 700)
            assert (await rules.hits("far", days=9)).on_paper == 3
            assert (await rules.hits("blocked_merchant", days=7)).on_paper == 1

    run(body())
