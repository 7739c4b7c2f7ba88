"""Labels: what became known of authorizations, learnt once, in the journal's order, and moving nothing else."""

import asyncio

import numpy as np
import pytest

from scoring.attempt import ATTEMPT, LABEL, Verdict
from scoring.features import Features
from server.core.attempts import fill_attempts_again
from server.core.entries import EntryState
from server.core.journal_reader import JournalReader
from server.core.labels import label_requests, labels_of
from server.core.record import INTENT, INTENT_NUMBERS, NO_ROW, Operation
from server.core.repeats import Original
from server.core.risk import Risk
from server.core.state import State
from tests.server.core.lives import reverse
from tests.server.core.scene import CARDS, NOON_S, Core, directory, purchase, records

DAY_S = 86_400


class NotedFeatures(Features):
    """Features that note what they took in, and in which order."""

    def __init__(self, cards=0):
        super().__init__(cards)
        self.taken = []

    def observe(self, attempts, past):
        """Note attempts, but for what only features of the moment read."""
        bare = np.zeros(len(attempts), ATTEMPT)  # what pads a record is anything
        for name in ATTEMPT.names:
            bare[name] = attempts[name]
        bare["home_latitude_deg"] = bare["home_longitude_deg"] = np.nan
        bare["home_country"] = 0
        self.taken += [(ATTEMPT, attempt.tobytes()) for attempt in bare]
        return super().observe(attempts, past)

    def learn(self, labels):
        """Note labels."""
        self.taken += [(LABEL, label.tobytes()) for label in labels]
        super().learn(labels)


def intent_of(request, **fields):
    """INTENT[1] of a request of a known card, as it was journalled."""
    intent = np.zeros(1, INTENT)
    intent["request"] = request
    intent["billed_minor"] = request["amount_minor"]
    for name, value in fields.items():
        intent[name] = value
    return intent


def label(request, number, verdict=Verdict.FRAUD, superseded=0, received_s=NOON_S + DAY_S):
    """REQUEST[1]: a label on that authorization."""
    return label_requests(
        intent_of(request),
        np.array([number], np.int64),
        np.array([verdict], np.uint8),
        np.array([superseded], np.uint8),
        np.array([received_s], np.int64),
        1,
    )


def noting(core):
    """Have the core's features note what they take in; their notes."""
    core.state.risk.features = NotedFeatures()
    core.state.grow(len(core.directory.cards), 1_024)
    return core.state.risk.features.taken


@pytest.mark.kernel
def test_a_label_says_of_an_attempt_what_features_saw_of_it_when_it_was_made():
    """Merchant, terminal, device, network, amount and time are the same digests and numbers."""
    request = purchase(
        merchant=77,
        terminal_id=b"T1",
        device=5,
        ip=[[1 | 0xFFFF << 32, 0]],
        amount_minor=900,
        acquirer_id=b"1",
    )
    intent = intent_of(request, card_row=3, billed_minor=450)
    about = intent_of(
        label_requests(
            intent,
            np.array([1], np.int64),
            np.array([Verdict.LEGITIMATE], np.uint8),
            np.array([Verdict.FRAUD], np.uint8),
            np.array([NOON_S + 9], np.int64),
            1,
        ),
        card_row=3,
    )
    attempts, labels = np.zeros(1, ATTEMPT), np.zeros(2, LABEL)
    fill_attempts_again(records(intent.view(INTENT_NUMBERS)), records(attempts))
    both = np.concatenate([intent, about])
    assert labels_of(records(both.view(INTENT_NUMBERS)), records(labels)) == 1
    for name in ("time_s", "amount_minor", "merchant", "terminal", "device", "ip", "card_row"):
        assert labels[name][0] == attempts[name][0], name
        assert labels[name][0] != 0, name
    assert labels[["known_s", "verdict", "superseded"]][0].tolist() == (NOON_S + 9, 3, 1)


def test_a_label_is_learnt_once_when_it_comes_twice(with_core):
    """Its number makes its key: also after the core has started again."""
    bought = purchase()

    async def first(core):
        taken = noting(core)
        assert (await core.ask(bought))["response_code"] == b"00"
        answers = await core.ask(label(bought, 1))
        again = await core.ask(label(bought, 1))
        other = await core.ask(label(bought, 2, Verdict.LEGITIMATE, Verdict.FRAUD))
        assert (answers["replayed"], again["replayed"], other["replayed"]) == (0, 1, 0)
        assert {answer["response_code"][0] for answer in (answers, again, other)} == {b"00"}
        return [kind for kind, _ in taken]

    async def after(core):
        taken = noting(core)
        again = await core.ask(label(bought, 1))
        return again["replayed"].tolist(), taken

    assert with_core(first) == [ATTEMPT, LABEL, LABEL]
    assert with_core(after) == ([1], [])
    assert with_core(after, save=True) == ([1], [])
    assert with_core(after) == ([1], [])


def test_a_label_moves_nothing_when_its_authorization_is_held_or_unknown(with_core):
    """The hold stands as it stood, can be let go of, and nothing is entered for an authorization that never came."""
    bought, never = purchase(), purchase()

    async def act(core):
        await core.ask(bought)
        before = core.state.repeats.find(bought["authorization_id"])
        answers = await core.ask(label(bought, 1), label(never, 2))
        assert answers["response_code"].tolist() == [b"00", b"00"]
        assert not answers["held"].any()
        assert core.state.repeats.find(bought["authorization_id"]).tobytes() == before.tobytes()
        assert core.state.repeats.find(never["authorization_id"])["state"] == EntryState.FREE
        reversed_, _ = await core.ask(reverse(bought), label(bought, 3))
        assert (reversed_["response_code"], reversed_["approved_minor"]) == (b"00", 1_000)

    with_core(act)


@pytest.mark.parametrize("seed", range(2))
def test_labels_are_learnt_again_in_the_same_places_when_a_state_is_rebuilt(tmp_path, seed):
    """Between the same attempts, whatever the batches were and wherever the journal is cut."""
    rng = np.random.default_rng(seed)

    async def act():
        core = await Core(tmp_path, directory()).start()
        taken = noting(core)
        asked, number = [], 0
        for _ in range(25):
            parcels = []
            for _ in range(rng.integers(1, 4)):
                batch = []
                for _ in range(rng.integers(1, 8)):
                    if asked and rng.random() < 0.3:
                        number += 1
                        verdict = Verdict(int(rng.integers(1, 4)))
                        batch.append(label(asked[rng.integers(len(asked))], number, verdict))
                    elif asked and rng.random() < 0.2:
                        batch.append(reverse(asked[rng.integers(len(asked))]))
                    else:
                        asked.append(purchase(rng.integers(CARDS + 1), merchant=rng.integers(1, 9)))
                        batch.append(asked[-1])
                parcels.append(core.send(*batch))
            await asyncio.gather(*parcels)
        arrays = {name: array.tobytes() for name, array in core.state.risk.features.arrays().items()}
        last, entries = core.journal.number, core.state.repeats.count
        await core.stop()
        return taken, arrays, last, entries

    taken, arrays, last, entries = asyncio.run(act())
    assert sum(kind is LABEL for kind, _ in taken) > 20
    for cuts in ((), sorted(rng.integers(1, last, 9).tolist())):
        state = State(Risk())
        state.risk.features = NotedFeatures()
        state.grow(1_024, 1_024)
        reader = JournalReader(tmp_path / "journal.sqlite")
        for cut in (*cuts, last):
            state.replay(reader.read_chunks(state.journal_number, cut))
        reader.close()
        assert state.risk.features.taken == taken
        again = state.risk.features.arrays()
        assert {name: array.tobytes() for name, array in again.items()} == arrays
        assert state.repeats.count == entries
        assert len(state.undecided()[0]) == 0


def test_an_undecided_label_takes_nothing_when_a_reversal_of_the_same_is_undecided_too(with_core):
    """After a crash the reversal finds its hold, although the label came last."""
    bought = purchase()

    async def act(core):
        await core.ask(bought)
        pending = np.zeros(2, INTENT)
        pending["request"] = np.concatenate([reverse(bought), label(bought, 1)])
        core.state.repeats.admit(pending["request"][:1].copy())
        return core.lifecycle.finds_of(pending).tolist()

    assert with_core(act) == [Original.HELD, Original.NONE]


def test_a_label_of_an_unknown_card_says_so(with_core):
    """Its card row is NO_ROW, and the rest counts."""
    bought = purchase(CARDS + 5, merchant=4)

    async def act(core):
        taken = noting(core)
        assert (await core.ask(bought))["response_code"] == b"14"
        assert (await core.ask(label(bought, 1)))["operation"] == Operation.LABEL
        return np.frombuffer(taken[0][1], LABEL)[0]

    learnt = with_core(act)
    assert (learnt["card_row"], learnt["merchant"]) == (NO_ROW, 4)
