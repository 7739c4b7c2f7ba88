"""After a kill: a decision for every intent, and no hold that nobody was told of."""

import asyncio
import sqlite3
import time

import numpy as np
import pytest

from ledger.chart import AccountCode, cardholder_accounts, opening
from ledger.embedded import EmbeddedLedger
from ledger.transfer import BATCH_MAX, CreateTransferStatus, TransferFlags, ids_of
from server.core.answers import prepare_authorizations
from server.core.attempts import attempts_of
from server.core.books import hold_transfers
from server.core.entries import EntryState
from server.core.journal_reader import JournalCorrupt
from server.core.parcel import Parcel
from server.core.policy import Check, bit
from server.core.record import DECISION, INTENT, REQUEST_VERSION
from server.core.snapshot import SnapshotUnreadable
from server.core.turn import Turn
from tests.server.core.lives import advise, books_of, clear, increment, reverse
from tests.server.core.scene import CARDS, USD, Core, directory, limit, purchase, reversal


def prepared(core, *requests):
    """The INTENTs of a batch, as they stand before intent and hold."""
    parcel = Parcel(np.concatenate(requests).tobytes(), list(range(len(requests))), print, print)
    turn = Turn([parcel])
    rows = core.directory.find(turn.requests)
    admitted = core.state.repeats.admit(turn.requests)
    turn.open(admitted, core.state.sequence + 1, 1)
    core.state.sequence += len(turn.intents)
    if turn.messages:
        messages, origin = turn.intents[: turn.messages], turn.origin[: turn.messages]
        core.lifecycle.prepare(messages, admitted.originals[origin], rows[origin])
    authorizations = turn.intents[turn.messages :]
    core.controls.check(authorizations, rows[turn.origin[turn.messages :]])
    attempts = attempts_of(authorizations, core.directory.cards, core.controls.programmes)
    past = core.state.limits.reserve(authorizations, attempts, core.controls.limits)
    core.risk.judge(authorizations, attempts, past, core.controls.programmes, core.controls.rules)
    prepare_authorizations(authorizations)
    return turn.intents


async def hold(core, intents, attempt=0):
    """Hold them, as the ledger stage would."""
    results = await core.ledger.create_transfers(hold_transfers(intents, attempt))
    assert (results["status"] == CreateTransferStatus.CREATED).all()


async def standing(core, *requests):
    """What the ledger holds for each of these, over all attempts; -1 where nothing stands."""
    pages = [page async for page in core.ledger.history()]
    transfers = np.concatenate(pages)
    gone = set(
        map(tuple, ids_of(transfers[ids_of(transfers, "pending_id").any(axis=1)], "pending_id").tolist())
    )
    found = []
    for request in requests:
        own = (ids_of(transfers, "user_data_128") == request["authorization_id"]).all(axis=1)
        pending = transfers[own & (transfers["flags"] & TransferFlags.PENDING != 0)]
        stands = [int(t["amount_lo"]) for t in pending if (int(t["id_lo"]), int(t["id_hi"])) not in gone]
        found.append(sum(stands) if stands else -1)
    return found


@pytest.fixture
def lives(tmp_path):
    """Runs acts on one home after another, each on a core started anew, and none of them saved."""

    def run(*acts, known=None, **options):
        async def whole():
            said = []
            for act in acts:
                core = await Core(tmp_path, known or directory(), **options).start()
                try:
                    said.append(await act(core))
                finally:
                    await core.stop()
            return said

        return asyncio.run(whole())

    return run


def test_an_intent_without_a_decision_is_approved_when_its_hold_is_there_and_fenced_when_not(lives):
    """The approval is recorded; what is absent is a 91 and never can be held any more."""
    there, absent, declined = purchase(0), purchase(1), purchase(99)

    async def killed(core):
        intents = prepared(core, there, absent, declined)
        await core.journal.append_intents(intents)
        await hold(core, intents[:1])
        return intents

    async def after(core):
        decided = core.decided_at_start
        answers = await core.ask(there, absent, declined)
        stands = await standing(core, there, absent)
        late = await core.ledger.create_transfers(hold_transfers(killed_intents[1:2]))
        return decided, answers, stands, late["status"].tolist()

    killed_intents = np.zeros(0, INTENT)

    async def killed_first(core):
        nonlocal killed_intents
        killed_intents = await killed(core)

    _, (decided, answers, stands, late) = lives(killed_first, after)
    assert decided == 3
    assert answers["response_code"].tolist() == [b"00", b"91", b"14"]
    assert (answers["recovered"] == 1).all()
    assert (answers["replayed"] == 1).all()
    assert answers["approved_minor"].tolist() == [1_000, 0, 0]
    assert answers["available_minor"].tolist()[:2] == [99_000, 100_000]
    assert stands == [1_000, -1]
    assert late == [CreateTransferStatus.ID_ALREADY_FAILED]


def test_what_an_undecided_intent_reserved_is_given_back_only_when_it_was_not_held(lives):
    """A limit of one purchase a day."""
    there, absent = purchase(0), purchase(1)

    async def killed(core):
        intents = prepared(core, there, absent)
        await core.journal.append_intents(intents)
        await hold(core, intents[:1])

    async def after(core):
        return await core.codes(purchase(0), purchase(1))

    known = directory(limits=(limit("amount", "day", 1_500),))
    assert lives(killed, after, known=known)[1] == ["61", "00"]


def test_a_reversal_without_a_decision_releases_its_hold(lives):
    """Whether the ledger had released it or not."""
    first, second = purchase(0), purchase(1)

    async def killed(core):
        codes = await core.codes(first, second)
        reversals = prepared(core, reversal(first), reversal(second))
        await core.journal.append_intents(reversals)
        await core.books.release(first["authorization_id"], np.zeros(1, np.uint8))
        return codes

    async def after(core):
        entries = core.state.repeats.find(np.concatenate([first, second])["authorization_id"])
        return await standing(core, first, second), entries["state"].tolist(), core.decided_at_start

    said = lives(killed, after)
    assert said == [["00", "00"], ([-1, -1], [EntryState.REVERSED] * 2, 2)]


def test_a_partial_hold_of_nothing_is_a_51_and_is_voided(lives):
    """The ledger creates it with amount 0."""
    empty = purchase(0, partial_approval_allowed=1)

    async def killed(core):
        await core.codes(purchase(0, amount_minor=100_000))
        intents = prepared(core, empty)
        await core.journal.append_intents(intents)
        await hold(core, intents)

    async def after(core):
        return await core.codes(empty), await standing(core, empty)

    assert lives(killed, after)[1] == (["51"], [-1])


def test_a_hold_whose_intent_was_lost_is_voided_and_a_retry_gets_a_fresh_one(lives):
    """The same key goes through with attempt 1; another start leaves that one alone."""
    known, lost = purchase(0), purchase(1)

    async def killed(core):
        await core.codes(known)
        await hold(core, prepared(core, lost))

    async def after(core):
        before = await standing(core, known, lost)
        answers = await core.ask(lost)
        return before, answers, await standing(core, known, lost)

    async def later(core):
        return await standing(core, known, lost), await core.ask(lost, known)

    _, (before, answers, stands), (still, repeated) = lives(killed, after, later)
    assert before == [1_000, -1]
    assert (answers["response_code"].tolist(), answers["hold_attempt"].tolist()) == ([b"00"], [1])
    assert stands == still == [1_000, 1_000]
    assert repeated["replayed"].tolist() == [1, 1]


def test_a_hold_whose_intent_was_lost_is_voided_also_where_the_journal_is_trimmed_and_clocks_lie_apart(lives):
    """By the ledger's clock it was placed before the oldest row that is left."""
    known, lost = purchase(0), purchase(1)

    async def killed(core):
        await core.codes(known)
        core.state.journal_number = core.journal.number
        core.state.save(core.home / "state.npz")
        await core.journal.trim(core.journal.number - 1)
        await hold(core, prepared(core, lost))

    async def after(core):
        return await standing(core, known, lost)

    behind = {"ledger_clock_ns": lambda: time.time_ns() - 5 * 10**9}
    assert lives(killed, after, **behind)[1] == [1_000, -1]


def test_a_hold_that_reached_the_disk_after_its_answer_was_91_is_voided(lives):
    """The ledger's commit failed after the write, and other answers followed for long."""
    unlucky, good = purchase(0), purchase(1)

    async def killed(core):
        codes = await core.codes(good)
        intents = prepared(core, unlucky)
        number = core.journal.append_intents(intents)
        await hold(core, intents)
        decisions = np.zeros(1, DECISION)
        decisions["version"], decisions["response_code"], decisions["operation"] = REQUEST_VERSION, b"91", 1
        decisions["reasons"] = bit(Check.LEDGER_AWAY)
        decisions["sequence"] = intents["sequence"]
        decisions["authorization_id"] = unlucky["authorization_id"]
        decisions["intent_batch"] = await number
        decisions["decision_ns"] = time.time_ns()
        await core.journal.append_decisions(decisions)
        # An hour of answers in which the ledger was never asked.
        declined = prepared(core, purchase(99))
        declined["request"]["arrival_ns"] += 3_600 * 10**9
        await core.journal.append_intents(declined)
        return codes

    async def after(core):
        return await standing(core, unlucky, good), await core.codes(unlucky, good)

    assert lives(killed, after) == [["00"], ([-1, 1_000], ["91", "00"])]


def test_an_approval_is_left_alone_when_its_entry_has_left_the_table(lives, monkeypatch):
    """The journal has the last word: an old message's entry goes early."""
    old = purchase(0, transmission_s=1_000_000_000)

    async def first(core):
        return await core.codes(old, purchase(1))

    async def after(core):
        return await standing(core, old)

    find = "server.core.repeats.Repeats.find"
    said = lives(first)
    monkeypatch.setattr(find, lambda _table, ids: np.zeros(len(ids), [("state", "u1")]))
    assert [*said, *lives(after)] == [["00", "00"], [1_000]]


def test_a_start_refuses_a_snapshot_from_after_the_journals_end(with_core, tmp_path):
    """One of them is an old copy."""

    async def act(core):
        return await core.codes(purchase())

    with_core(act, save=True)
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"journal.sqlite{suffix}").unlink(missing_ok=True)
    with pytest.raises(SnapshotUnreadable, match="old copy"):
        with_core(act)


def trim_by_hand(path, up_to):
    """Rows that are no longer there."""
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM batches WHERE number <= ?", (up_to,))
    connection.close()


def test_a_start_refuses_a_journal_that_begins_after_its_snapshot(with_core, tmp_path):
    """Rows between them are gone, or the snapshot is; a bad snapshot is only left aside where all rows are there."""

    async def act(core):
        return await core.codes(purchase()) + await core.codes(purchase())

    with_core(act, save=True)
    with_core(act)
    snapshot = tmp_path / "state.npz"
    whole = snapshot.read_bytes()
    snapshot.write_bytes(b"damaged")
    with_core(act)
    trim_by_hand(tmp_path / "journal.sqlite", 2)
    with pytest.raises(SnapshotUnreadable, match=r"state\.npz"):
        with_core(act)
    snapshot.unlink()
    with pytest.raises(JournalCorrupt, match="begins at row 3"):
        with_core(act)
    snapshot.write_bytes(whole)
    assert with_core(act) == ["00", "00"]
    trim_by_hand(tmp_path / "journal.sqlite", 6)
    with pytest.raises(JournalCorrupt, match="begins at row 7"):
        with_core(act)


@pytest.mark.parametrize(
    ("asked_minor", "first", "last", "held_minor"),
    [
        (500_000, lambda original: clear(original, 300), advise, 100_000),
        (500, lambda original: reverse(original, sender=10), lambda original: increment(original, 100), 600),
    ],
    ids=["an advice after a clearing", "an increment after a stranger's reversal"],
)
def test_only_the_message_that_had_taken_an_authorization_resolves_it(
    lives, asked_minor, first, last, held_minor
):
    """Of two undecided ones, the first had found nothing to take."""
    original = purchase(amount_minor=asked_minor)
    messages = first(original), last(original)

    async def die(core):
        await core.ask(original)
        for message in messages:
            await core.journal.append_intents(prepared(core, message))

    async def come_back(core):
        assert core.decided_at_start == 2
        entry = core.state.repeats.find(original["authorization_id"])[0]
        standings = core.state.repeats.standings()["pending_minor"].sum()
        books, _ = await books_of(core.ledger, [0])
        return EntryState(entry["state"]), entry["newest"].tolist(), standings - books[0][4], books[0][1]

    _, found = lives(die, come_back)
    assert found == (EntryState.OPEN, messages[1]["authorization_id"][0].tolist(), held_minor, held_minor)


def test_a_start_carries_out_more_messages_than_one_request_to_the_ledger_takes(lives):
    """As many as may have waited for a ledger that was away."""
    count = BATCH_MAX + 1
    originals = np.concatenate([purchase(k % CARDS, amount_minor=1) for k in range(count)])
    messages = np.concatenate([increment(originals[k : k + 1], 1) for k in range(count)])

    async def die(core):
        for first in range(0, count, 2_048):
            await core.ask(originals[first : first + 2_048])
            await core.journal.append_intents(prepared(core, messages[first : first + 2_048]))

    async def come_back(core):
        books, _ = await books_of(core.ledger, list(range(CARDS)))
        return core.decided_at_start, sum(books[card][1] for card in range(CARDS))

    assert lives(die, come_back)[1] == (count, 2 * count)


def test_start_books_the_deposit_that_a_start_before_it_did_not_come_to(tmp_path):
    """The accounts were opened, and the process died: the money comes with the next start, once."""

    async def whole():
        ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=time.time_ns)
        await ledger.create_accounts(opening(USD))
        await ledger.create_accounts(cardholder_accounts(np.arange(100, 100 + CARDS), USD))
        await ledger.close()
        for _ in range(2):
            core = await Core(tmp_path, directory()).start()
            said, house = await books_of(core.ledger, range(CARDS))
            await core.stop()
        return said, house

    said, house = asyncio.run(whole())
    assert [account[0] for account in said.values()] == [100_000] * CARDS
    assert house[AccountCode.FUNDING] == -100_000 * CARDS
