"""The desk for labels, on a real PostgreSQL, before a core that notes what it is handed."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from scoring.attempt import Verdict
from server.core.journal_reader import JournalBatch
from server.core.parcel import Overloaded
from server.core.record import DECISION, INTENT, NO_ROW, REQUEST, REQUEST_VERSION, Operation
from server.fraud.labels import LabelDesk, Told
from server.store.database import Database
from server.store.labelled import read_labelled
from server.store.labels import Labels
from server.store.shipper import Shipper

SENT_S = 1_700_000_000
NOW_S = SENT_S + 86_400
NOW = datetime.fromtimestamp(NOW_S, UTC)
FRAUD, DISPUTE, GENUINE = Verdict.FRAUD, Verdict.DISPUTE, Verdict.LEGITIMATE


class ShortJournal:
    """A journal of one row of intents and one of their decisions."""

    def __init__(self, intents, decisions):
        self.rows = [
            JournalBatch(1, intents, np.zeros(0, DECISION)),
            JournalBatch(2, np.zeros(0, INTENT), decisions),
        ]

    def read(self, after, batches_max):
        return self.rows[after : after + batches_max]

    def read_intents(self, number):
        return self.rows[number - 1].intents

    def last(self):
        return len(self.rows)


class NotingCore:
    """Notes the labels it is handed, and answers each with `code`; `full` makes it take none."""

    def __init__(self):
        self.labels = np.zeros(0, REQUEST)
        self.code = b"00"
        self.full = False

    def submit(self, parcel):
        if self.full:
            raise Overloaded("everybody waits")
        requests = np.frombuffer(parcel.records, REQUEST)
        self.labels = np.concatenate([self.labels, requests])
        decisions = np.zeros(len(requests), DECISION)
        decisions["response_code"] = self.code
        asyncio.get_running_loop().call_soon(parcel.deliver, parcel.places, decisions)


def written(count=6):
    """INTENT[count] and their DECISIONs: the last but one is an advice's, the last of an unknown card."""
    intents = np.zeros(count, INTENT)
    request = intents["request"]
    request["authorization_id"] = np.arange(1, count + 1)[:, None]
    request["transmission_s"] = SENT_S + np.arange(count)
    request["operation"], request["version"] = Operation.AUTHORIZE, REQUEST_VERSION
    request["operation"][-2] = Operation.ADVISE
    request["original_id"][-2] = 900
    request["merchant"], request["merchant_id"] = 77, b"M-1"
    request["card_key"], request["amount_minor"] = 5, 1_000
    intents["billed_minor"] = 2_000
    intents["card_row"] = 40 - np.arange(count)
    intents["card_row"][-1] = NO_ROW
    intents["sequence"] = np.arange(1, count + 1)
    decisions = np.zeros(count, DECISION)
    for name in ("authorization_id", "original_id", "operation"):
        decisions[name] = request[name]
    decisions["sequence"], decisions["intent_batch"] = intents["sequence"], 1
    decisions["decision_ns"], decisions["version"] = SENT_S * 10**9, REQUEST_VERSION
    decisions["response_code"] = b"00"
    return intents, decisions


def id_of(number):
    """The authorization's id."""
    return UUID(int=(number << 64) + number)


def told(number, verdict=FRAUD, **fields):
    """A label on that authorization."""
    return Told(id_of(number), verdict, **({"source": "chargebacks", "reported_by": "ada"} | fields))


def at_desk(run, database_url, act, *, journalled=None, message_time=False):
    """Runs `act(desk, core, database)`; six authorizations are shipped."""

    async def nothing(identifiers):
        return [None] * len(identifiers)

    async def body():
        async with Database(database_url) as database:
            await Shipper(database, ShortJournal(*written())).drain()
            core = NotingCore()
            desk = LabelDesk(
                Labels(database),
                journalled or nothing,
                core.submit,
                lambda: NOW_S,
                lambda: 1,
                message_time=message_time,
            )
            return await act(desk, core, database)

    return run(body())


def test_a_label_is_kept_and_handed_to_the_core_once_when_it_is_told_twice(run, database_url):
    """With what its authorization says of merchant, card, amount and time."""

    async def act(desk, core, _database):
        first, again = [(await desk.tell([told(1)], 9))[0] for _ in range(2)]
        assert (first.replayed, again.replayed) == (False, True)
        assert (first.standing, again.standing) == (FRAUD, FRAUD)
        assert len(core.labels) == 1
        label = core.labels[0]
        assert label["operation"] == Operation.LABEL
        assert label["original_id"].tolist() == [1, 1]
        assert (label["merchant"], label["amount_minor"], label["given_code"]) == (77, 2_000, b"10")
        assert (label["local_s"], label["transmission_s"]) == (SENT_S, NOW_S)
        (kept,) = await desk.history(id_of(1))
        assert (kept.told.source, kept.told.reported_by, kept.told.learnt_at) == ("chargebacks", "ada", NOW)
        assert kept.taken_at is not None
        assert await desk.history(id_of(2)) == []

    at_desk(run, database_url, act)


def test_bad_labels_are_refused_by_field_and_the_others_are_taken_when_they_come_together(run, database_url):
    """In the order in which they came; one that comes twice in a batch is taken once."""

    async def act(desk, core, _database):
        outcomes = await desk.tell(
            [
                told(800),
                told(1),
                told(2, learnt_at=NOW + timedelta(hours=1)),
                told(2, learnt_at=datetime.fromtimestamp(SENT_S, UTC)),
                told(1),
                told(3, DISPUTE),
            ],
            9,
        )
        assert [[name for name, _ in outcome.errors] for outcome in outcomes] == [
            ["authorization_id"],
            [],
            ["learnt_time"],
            ["learnt_time"],
            [],
            [],
        ]
        assert [outcome.replayed for outcome in outcomes] == [False, False, False, False, True, False]
        assert core.labels["original_id"][:, 0].tolist() == [1, 3]
        assert core.labels["given_code"].tolist() == [b"10", b"20"]

    at_desk(run, database_url, act)


def test_a_later_label_supersedes_the_earlier_ones_when_it_says_otherwise(run, database_url):
    """The core hears what it supersedes; the history is kept; a report of its own may say the first thing again."""

    async def act(desk, core, database):
        await desk.tell([told(1, FRAUD), told(1, GENUINE)], 9)
        (again,) = await desk.tell([told(1, FRAUD)], 9)
        assert (again.replayed, again.standing) == (True, GENUINE)
        (anew,) = await desk.tell([told(1, FRAUD, report_id="case 7")], 9)
        assert (anew.replayed, anew.standing) == (False, FRAUD)
        assert core.labels["given_code"].tolist() == [b"10", b"31", b"13"]
        assert len({label["authorization_id"].tobytes() for label in core.labels}) == 3
        assert [kept.told.verdict for kept in await desk.history(id_of(1))] == [FRAUD, GENUINE, FRAUD]
        assert (await read_labelled(database)).verdicts.tolist() == [FRAUD, 0, 0, 0]

    at_desk(run, database_url, act)


def test_labels_wait_and_go_in_their_order_when_the_core_was_full_or_late(run, database_url):
    """Nothing is lost: what was not taken is handed over again, under the same id."""

    async def act(desk, core, _database):
        core.full = True
        outcomes = await desk.tell([told(1), told(2)], 9)
        assert not any(outcome.errors for outcome in outcomes)
        await desk.tell([told(1, GENUINE)], 9)
        assert len(core.labels) == 0
        core.full, core.code = False, b"91"
        await desk.hand_over()
        core.code = b"00"
        await desk.hand_over()
        await desk.hand_over()
        assert core.labels["original_id"][:, 0].tolist() == [1, 2, 1] * 2
        assert core.labels["given_code"].tolist() == [b"10", b"10", b"31"] * 2
        ids = core.labels["authorization_id"].tolist()
        assert ids[:3] == ids[3:]

    at_desk(run, database_url, act)


def test_the_newest_authorizations_are_found_in_the_journal_when_postgres_has_them_not_yet(run, database_url):
    """A label that comes at once is no unknown authorization's."""
    intents, _ = written()
    intents["request"]["authorization_id"] = 700

    async def journalled(identifiers):
        return [intents[:1] if low == 700 else None for low, _ in identifiers.tolist()]

    async def act(desk, core, _database):
        known, unknown = await desk.tell([told(700), told(701)], 9)
        assert known.errors == []
        assert [name for name, _ in unknown.errors] == ["authorization_id"]
        assert core.labels["original_id"].tolist() == [[700, 700]]

    at_desk(run, database_url, act, journalled=journalled)


def test_labels_are_kept_but_not_learnt_when_features_never_saw_the_attempt(run, database_url):
    """The network's own decisions, and unknown cards, are no attempts."""

    async def act(desk, core, _database):
        advised, unknown_card = await desk.tell([told(900), told(6)], 9)
        assert (advised.standing, unknown_card.standing) == (FRAUD, FRAUD)
        assert len(core.labels) == 0
        assert (await desk.history(id_of(900)))[0].taken_at is not None

    at_desk(run, database_url, act)


def test_a_label_is_received_when_it_says_it_was_learnt_in_a_replay(run, database_url):
    """So a replay's days tell labels as the days did, and its future is no future."""
    later = NOW + timedelta(days=30)

    async def act(desk, core, database):
        (outcome,) = await desk.tell([told(2, learnt_at=later)], 9)
        assert outcome.errors == []
        assert core.labels["transmission_s"].tolist() == [later.timestamp()]
        assert (await read_labelled(database)).known_s.tolist() == [0, later.timestamp(), 0, 0]

    at_desk(run, database_url, act, message_time=True)


def test_training_reads_the_attempts_that_features_saw_with_the_label_that_counts(run, database_url):
    """Without advices and unknown cards; card rows count through the cards."""

    async def act(desk, _core, database):
        await desk.tell([told(3, DISPUTE)], 9)
        whole = await read_labelled(database)
        since = datetime.fromtimestamp(SENT_S + 2, UTC)
        part = await read_labelled(database, since, since + timedelta(seconds=1))
        return whole, part

    whole, part = at_desk(run, database_url, act)
    assert whole.attempts["time_s"].tolist() == [SENT_S + i for i in range(4)]
    assert whole.attempts["merchant"].tolist() == [77] * 4
    assert whole.attempts["amount_minor"].tolist() == [2_000] * 4
    assert whole.cards.tolist() == [37, 38, 39, 40]
    assert whole.attempts["card_row"].tolist() == [3, 2, 1, 0]
    assert np.isnan(whole.attempts["home_latitude_deg"]).all()
    assert whole.verdicts.tolist() == [0, 0, DISPUTE, 0]
    assert whole.known_s.tolist() == [0, 0, NOW_S, 0]
    assert part.verdicts.tolist() == [DISPUTE]
