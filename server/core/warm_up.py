"""
Compile every kernel on the path before the first customer's request, on scratch state of the same types.

Batches of one and of several are different types to Numba (an array of one is contiguous whatever its strides), so
both go through.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger import chains
from ledger.book import Ledger
from ledger.chains import MOVE, MoveOutcome
from ledger.holds import BACKSTOP_S, HoldOutcome
from ledger.transfer import RESULT
from scoring.drift import BINS, histogram
from scoring.explain import reason_numbers
from scoring.features import FEATURE_NAMES
from scoring.model import Model
from server.core.answers import decide_authorizations, prepare_authorizations, without_ledger
from server.core.attempts import attempts_of
from server.core.block_lists import BlockEntry, BlockKind
from server.core.books import Books, Moved, hold_transfers
from server.core.controls import Controls
from server.core.deadline import dues_s, left_s
from server.core.directory import CARD, Directory, DirectoryChange, Posture, Programme
from server.core.entries import ENTRY_NUMBERS
from server.core.journal_reader import INTENTS_KIND, JournalChunk
from server.core.labels import learn
from server.core.moves import decide, find_facts, judge, plan, refuse_again
from server.core.packing import pack, unpack
from server.core.parcel import Parcel
from server.core.parts import GIVEN
from server.core.policy import CODES
from server.core.record import (
    DECISION,
    DECISION_NUMBERS,
    INTENT,
    INTENT_NUMBERS,
    NAMED_MAX,
    NO_ROW,
    REQUEST,
    CardReference,
    Operation,
    TransactionType,
    blank,
)
from server.core.risk import SHARES, Risk
from server.core.state import State
from server.core.turn import Turn, stamp

_SIZES: Final = (1, 2, 3)

_Round = tuple[NDArray[Any], NDArray[Any]]
"""INTENT[n] and their DECISION[n]."""


class _Scratch:
    """State of the types that serve, with two cards."""

    def __init__(self, model: Model | None) -> None:
        self.directory = directory = Directory()
        cards = np.zeros(2, CARD)
        cards["number"] = [0, 1]
        cards["pan_key"] = [[1, 1], [2, 2]]
        cards["card_id"] = [[3, 3], [4, 4]]
        cards["expiry_yymm"] = 9912
        programme = Programme(0, "warm-up", 1, 840, 840, "UTC")
        directory.apply(DirectoryChange(cards=cards, programmes=[programme]))
        for active in (True, False):
            directory.apply(
                DirectoryChange(
                    blocks=[BlockEntry(BlockKind.COUNTRY, (number, 0), active) for number in range(1, 40)]
                )
            )
        self.controls = Controls(directory)
        self.controls.compile()
        self.state = State(Risk())
        self.state.risk.use(model, model, SHARES // 2)
        self.state.grow(len(directory.cards), 1)


def warm_up(model: Model | None) -> None:
    """Send batches of known and unknown cards through every stage but ledger and journal; blocks while it compiles."""
    scratch = _Scratch(model)
    rounds = [_decided(scratch, _requests(size, round_)) for round_, size in enumerate(_SIZES * 2)]
    scratch.state.repeats.load(scratch.state.repeats.arrays())
    chains.warm_up()
    for record in (INTENT, DECISION):
        unpack(pack(np.zeros(1, record))[0].tobytes(), 1, record)
    # Last what another process may have compiled meanwhile.
    for authorized, *messages in rounds:
        _scored(scratch, *authorized)
        for intents, decisions in messages:
            learn(scratch.state.risk.features, intents)
            scratch.state.settle(intents, decisions)
        scratch.state.replay([_chunk(*authorized)])
    _warm_up_growth(scratch.state, model)


def warm_up_scoring(model: Model | None) -> None:
    """The part of it that is limits, features and score, by itself."""
    scratch = _Scratch(model)
    for size in _SIZES:
        intents = np.zeros(size, INTENT)
        intents["request"] = _requests(size, 0)
        intents["card_row"][1:] = NO_ROW
        decisions = np.zeros(size, DECISION)
        _scored(scratch, intents, decisions)
    _warm_up_growth(scratch.state, model)


def _warm_up_growth(state: State, model: Model | None) -> None:
    """What grows while it serves: a kernel that is compiled then would hold every answer meanwhile."""
    if model is not None:
        reason_numbers(
            model, np.zeros((2, len(FEATURE_NAMES)), np.float32), np.zeros((2, NAMED_MAX), np.uint8)
        )
        histogram(np.zeros((1, BINS - 1)), np.zeros((0, 1), np.float32))
    state.limits.velocity.warm_up()
    state.risk.features.warm_up()


def _requests(size: int, round_: int) -> NDArray[Any]:
    requests = np.zeros(size, REQUEST)
    requests["authorization_id"][:, 0] = (
        np.arange(size, dtype=np.uint64) + np.uint64(100 * round_ + 1)
    ) << np.uint64(8)
    requests["operation"] = Operation.AUTHORIZE
    requests["transaction_type"] = TransactionType.PURCHASE
    requests["card_reference"] = CardReference.PAN
    requests["card_key"] = np.arange(1, size + 1)[:, None]
    requests["amount_minor"] = 100
    requests["currency"] = requests["country"] = 840
    requests["transmission_s"] = 1_700_000_000 + round_
    return requests


def _decided(scratch: _Scratch, requests: NDArray[Any]) -> list[_Round]:
    """All stages but limits and score; then messages about what was decided, each kind by itself."""
    directory, controls, state = scratch.directory, scratch.controls, scratch.state
    turn = Turn(
        [Parcel(requests.tobytes(), list(range(len(requests))), lambda _p, _a: None, lambda _e: None)]
    )
    left_s(2 * requests.tobytes(), 0, 1)
    turn.dues_s = dues_s(turn.requests, np.array([len(requests)]), np.zeros(1), 1)
    rows = directory.find(turn.requests)
    turn.open(state.repeats.admit(turn.requests), 1, 1)
    intents = turn.intents
    controls.check(intents, rows[turn.origin])
    wanted, _ = prepare_authorizations(intents)
    decisions = np.zeros(len(requests), DECISION)
    stamp(intents, decisions, np.arange(len(decisions)), 1, 1, 1, 1)
    moved = Moved(len(requests))
    moved.outcome[:] = HoldOutcome.HELD
    decide_authorizations(intents, decisions, wanted, moved, controls.stand_in, state.stand_in)
    state.repeats.resolve(intents, decisions)
    state.repeats.due(0, state.repeats.top, 0)
    _without_ledger(controls, state, intents.copy())
    state.stand_in.arrays()
    operations = (Operation.REVERSE, Operation.INCREMENT, Operation.LABEL)
    return [(intents, decisions), *(_one_message(controls, state, requests, each) for each in operations)]


def _scored(scratch: _Scratch, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
    """Limits, features and score of INTENT[n], and what DECISION[n] leave of them."""
    controls, state = scratch.controls, scratch.state
    attempts = attempts_of(intents, scratch.directory.cards, controls.programmes)
    past = state.limits.reserve(intents, attempts, controls.limits)
    state.risk.judge(intents, attempts, past, controls.programmes, controls.rules)
    state.settle(intents, decisions)


def _without_ledger(controls: Controls, state: State, intents: NDArray[Any]) -> None:
    """What is approved in stand-in, counted again, and given back."""
    intents["posture"] = Posture.STAND_IN
    decisions = np.zeros(len(intents), DECISION)
    without_ledger(intents, decisions, np.ones(len(intents), np.bool_), controls.stand_in, state.stand_in)
    decisions["operation"], decisions["stand_in"] = Operation.AUTHORIZE, 1
    state.stand_in.settle(intents, decisions)
    given = np.zeros(len(intents), GIVEN)
    given["stood_in"] = 1
    state.stand_in.take_back(given)


def _one_message(controls: Controls, state: State, requests: NDArray[Any], operation: Operation) -> _Round:
    """Messages about those authorizations, on the way that `lifecycle` takes, without a ledger."""
    about = requests.copy()
    about["operation"] = operation
    about["original_id"] = requests["authorization_id"]
    about["authorization_id"][:, 1] += np.uint64(operation)
    about["given_code"] = b"10"  # what a label says; others don't look
    turn = Turn([Parcel(about.tobytes(), list(range(len(about))), lambda _p, _a: None, lambda _e: None)])
    admitted = state.repeats.admit(turn.requests)
    turn.open(admitted, 1, 1)
    intents, finds = turn.intents, admitted.originals[turn.origin]
    found = state.repeats.find(intents["request"]["original_id"])
    controls.check_standing(intents, found["card_row"].copy())
    parts, ends = state.repeats.parts(intents["request"]["original_id"])
    numbers = intents.view(INTENT_NUMBERS)
    find_facts(numbers, found)
    judge(numbers, finds, found, parts, ends, CODES)
    refuse_again(numbers, CODES)
    count = len(intents)
    wants, moves = np.zeros(count, np.uint8), np.zeros(count, MOVE)
    moves = moves[: plan(numbers, finds, found, parts, ends, BACKSTOP_S, wants, moves)]
    decisions = np.zeros(count, DECISION)
    outcomes, nothing = np.full(len(moves), MoveOutcome.REFUSED, np.uint8), np.zeros(count, np.int64)
    attempts = np.zeros(count, np.uint8)
    decide(
        numbers,
        decisions.view(DECISION_NUMBERS),
        finds,
        found.view(ENTRY_NUMBERS),
        parts,
        ends,
        wants,
        moves,
        outcomes,
        nothing,
        nothing,
        attempts,
        nothing,
        CODES,
    )
    stamp(intents, decisions, np.arange(len(decisions)), 1, 1, 1, 1)
    state.repeats.resolve(intents, decisions)
    return intents, decisions


def _chunk(intents: NDArray[Any], decisions: NDArray[Any]) -> JournalChunk:
    """The two rows that a turn leaves in the journal."""
    return JournalChunk(
        np.array([1, 2]), np.array([INTENTS_KIND, 0], np.uint8), np.full(2, len(intents)), intents, decisions
    )


async def warm_up_books(ledger: Ledger) -> None:
    """The ledger stage, with batches that ask for nothing but balances of an account that does not exist."""
    books = Books(ledger)
    for size in _SIZES:
        intents = blank(size, INTENT)
        intents["billing_currency"] = 999
        await books.hold(intents, np.zeros(size, np.bool_), 0)
        hold_transfers(intents)
        Moved(size).take(intents, ~np.zeros(size, np.bool_), np.zeros(size, RESULT))
