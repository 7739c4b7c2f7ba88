"""
A past as a backtest takes it: a file of transactions, or what this home decided.

A file is authorized as a server of one programme would: every payment in its turn, answered before the next, whole or
not at all. What a home decided comes with everything that limits and scores don't decide: refusals for other reasons,
partial approvals, increments, reversals, clearings and expiries, each at its place among the others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.attempt import ATTEMPT, Verdict
from scoring.backtest import GIVEN, Cases, Challenge, Outcome
from scoring.features import FEATURE_NAMES
from server.cli.limits_file import Owners
from server.core.attempts import attempts_again
from server.core.calendar import zone_table
from server.core.policy import AWAY, DECLINING, Check, bit
from server.core.record import CREDITING, DECISION, HOLDING, INTENT, NO_ROW, CheckResult, EntryMode, Operation

FILE_PROGRAMME: Final = "standard"
"""What the one programme of a file is called."""

_DAY_S: Final = 86_400
_LIMITS: Final = bit(Check.LIMIT_AMOUNT) | bit(Check.LIMIT_FREQUENCY)
_SCORES: Final = (
    bit(Check.SCORE_DECLINE)
    | bit(Check.UNSCORED_DECLINE)
    | bit(Check.STEP_UP)
    | bit(Check.STEP_UP_IMPOSSIBLE)
)
_RULES: Final = bit(Check.RULE_DECLINE) | bit(Check.RULE_STEP_UP_IMPOSSIBLE)
_RULE_STEP_UP: Final = bit(Check.RULE_STEP_UP)
_LEDGER: Final = bit(Check.FUNDS) | bit(Check.LEDGER_REFUSED)
_BEFORE: Final = DECLINING & ~(_LIMITS | _SCORES | _RULES | _RULE_STEP_UP | _LEDGER | AWAY)
_SCORE, _POLICY = 3, 4  # places in an intent's `stage_us`
_ASKING: Final = (Operation.AUTHORIZE, Operation.INCREMENT, Operation.ADVISE)
_ENDING: Final = (Operation.REVERSE, Operation.EXPIRE, Operation.CLEAR)


@dataclass(frozen=True, slots=True)
class Past:
    """
    Cases, whose they are, and what was made of them.

    features f4[n, F] as they were computed; scores f4[n] as they were given, NaN where nobody scored; thresholds f4[n]
    and unscored_declines bool[n] of each case's programme; unlimited bool[n]: an advice, which no limit refuses; currency
    u2[n]; is_fraud bool[n], None without labels; ids: each case's name in examples.
    """

    cases: Cases
    owners: Owners
    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    step_up: NDArray[np.float32]
    decline: NDArray[np.float32]
    unscored_declines: NDArray[np.bool_]
    unlimited: NDArray[np.bool_]
    currency: NDArray[np.uint16]
    is_fraud: NDArray[np.bool_] | None
    ids: Sequence[str]


def past_of_history(
    history: Any, features: NDArray[np.float32], *, currency: int, zone: str, thresholds: tuple[float, float]
) -> Past:
    """What a file says (`scoring.history.History`), its thresholds (step-up, decline) and its calendar's zone given."""
    attempts = history.attempts.copy()
    accounts, account = np.unique(attempts["account"], return_inverse=True)
    attempts["account"] = account + 1  # 0 would be none
    count = len(attempts)
    days = _local_days(attempts["time_s"], zone)
    kinds = attempts["transaction_type"].astype(np.int64)
    ecommerce = attempts["entry_mode"] == EntryMode.ECOMMERCE
    cases = Cases(
        attempts=attempts,
        day_ids=days.astype(np.int32),
        month_ids=_months(days).astype(np.int32),
        enters=np.ones(count, np.bool_),
        refused_before=np.zeros(count, np.bool_),
        consumes=(HOLDING >> kinds & 1 == 1) & (attempts["amount_minor"] > 0),
        scored=CREDITING >> kinds & 1 == 0,
        challenges=np.where(ecommerce, Challenge.STEP_UP, Challenge.PASS).astype(np.uint8),
        behind=np.full(count, Outcome.APPROVED, np.uint8),
        held_minor=attempts["amount_minor"],
        settled_after=np.arange(1, count + 1),
        given=np.zeros(0, GIVEN),
    )
    owners = Owners(
        programmes=[FILE_PROGRAMME],
        accounts=[str(number) for number in accounts.tolist()],
        cards=list(history.cards),
        programme=np.zeros(count, np.int64),
        account=account,
        card=attempts["card_row"].astype(np.int64),
    )
    return Past(
        cases,
        owners,
        features,
        np.full(count, np.nan, np.float32),
        np.full(count, thresholds[0], np.float32),
        np.full(count, thresholds[1], np.float32),
        np.zeros(count, np.bool_),
        np.zeros(count, np.bool_),
        np.full(count, currency, np.uint16),
        history.is_fraud if history.is_labelled else None,
        _Rows(history.rows),
    )


class _Rows(Sequence[str]):
    """Rows of a file, as examples name them."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return f"row {int(self._rows[place])}"


def past_of_decisions(
    parts: Iterable[tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]],
    programmes: Mapping[int, Mapping[str, Any]],
) -> Past:
    """
    What a home decided: INTENT[n], DECISION[n] and verdicts u1[n], some at once, in the order of their sequence.

    `programmes` by number: name, currency, step_up_else_decline.
    """
    found = _Found()
    for intents, decisions, verdicts in parts:
        found.add(intents, decisions, verdicts)
    return found.past(programmes)


# What is kept of an intent and its decision.
_KEPT: Final = np.dtype(
    [
        ("attempt", ATTEMPT),
        ("features", np.float32, (len(FEATURE_NAMES),)),
        ("id", np.uint64, (2,)),
        ("original", np.uint64, (2,)),
        ("checks", np.uint64),
        ("reserved_ns", np.int64),
        ("decided_ns", np.int64),
        ("held_minor", np.int64),
        ("released_minor", np.int64),
        ("day_id", np.int32),
        ("month_id", np.int32),
        ("score", np.float32),
        ("step_up", np.float32),
        ("decline", np.float32),
        ("programme", np.uint16),
        ("currency", np.uint16),
        ("operation", np.uint8),
        ("held", np.uint8),
        ("authenticated", np.bool_),
        ("recurring", np.bool_),
        ("verdict", np.uint8),
    ]
)


class _Found:
    """Gathers records, and makes a past of them."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = [np.zeros(0, _KEPT)]

    def add(self, intents: NDArray[Any], decisions: NDArray[Any], verdicts: NDArray[np.uint8]) -> None:
        assert intents.dtype == INTENT
        assert decisions.dtype == DECISION
        request = intents["request"]
        kept = np.zeros(len(intents), _KEPT)
        kept["attempt"] = attempts_again(intents)
        kept["features"] = intents["features"][:, : len(FEATURE_NAMES)]
        kept["id"], kept["original"] = request["authorization_id"], request["original_id"]
        kept["checks"] = intents["checks_failed"] | decisions["reasons"]
        # Limits were judged before the score, the policy and the ledger, whose times are known.
        behind_us = (
            intents["stage_us"][:, [_SCORE, _POLICY]].sum(axis=1, dtype=np.int64) + decisions["ledger_us"]
        )
        kept["reserved_ns"] = decisions["decision_ns"] - 1000 * behind_us
        kept["decided_ns"] = decisions["decision_ns"]
        kept["held_minor"] = decisions["approved_minor"]
        kept["released_minor"] = np.where(
            request["operation"] == Operation.CLEAR, decisions["released_minor"], decisions["approved_minor"]
        )
        for name in ("day_id", "month_id", "score", "programme"):
            kept[name] = intents[name]
        kept["step_up"], kept["decline"] = intents["step_up_threshold"], intents["decline_threshold"]
        kept["currency"] = intents["billing_currency"]
        kept["operation"] = request["operation"]
        # What stood in consumed as what is held does, and is given back like it.
        kept["held"] = (decisions["held"] != 0) | (decisions["stand_in"] != 0)
        kept["authenticated"] = request["cardholder_authentication"] == CheckResult.MATCH
        kept["recurring"] = request["recurring"] != 0
        kept["verdict"] = verdicts
        self._parts.append(kept)

    def past(self, programmes: Mapping[int, Mapping[str, Any]]) -> Past:
        records = np.concatenate(self._parts)
        asking = np.isin(records["operation"], _ASKING)
        kept = records[asking]
        attempts = kept["attempt"]
        kinds = attempts["transaction_type"].astype(np.int64)
        authorizing = kept["operation"] == Operation.AUTHORIZE
        reserved_ns = np.maximum.accumulate(kept["reserved_ns"])
        cases = Cases(
            attempts=attempts,
            day_ids=kept["day_id"],
            month_ids=kept["month_id"],
            enters=authorizing,
            refused_before=kept["checks"] & _BEFORE != 0,
            consumes=(HOLDING >> kinds & 1 == 1) & (attempts["amount_minor"] > 0),
            scored=authorizing & (CREDITING >> kinds & 1 == 0) & (attempts["card_row"] != NO_ROW),
            challenges=_challenges(kept, _of(kept["programme"], programmes, "step_up_else_decline")),
            behind=_behind(kept["checks"]),
            held_minor=np.where(kept["held"] != 0, kept["held_minor"], attempts["amount_minor"]),
            settled_after=np.maximum(
                np.searchsorted(reserved_ns, kept["decided_ns"], side="right"), np.arange(1, len(kept) + 1)
            ),
            given=_given(kept, records[np.isin(records["operation"], _ENDING)], reserved_ns),
        )
        told = kept["verdict"] != 0
        fraud = np.isin(kept["verdict"], (Verdict.FRAUD, Verdict.DISPUTE))
        return Past(
            cases,
            _owners(kept, programmes),
            kept["features"],
            kept["score"],
            kept["step_up"],
            kept["decline"],
            _of(kept["programme"], programmes, "unscored_decline"),
            kept["operation"] == Operation.ADVISE,
            kept["currency"],
            fraud if told.any() else None,
            [f"{high:016x}{low:016x}" for low, high in kept["id"].tolist()],
        )


def _of(
    numbers: NDArray[np.uint16], programmes: Mapping[int, Mapping[str, Any]], name: str
) -> NDArray[np.bool_]:
    """What the programmes of these numbers say, bool[n]."""
    table = np.zeros(int(max(programmes, default=0)) + 1, np.bool_)
    for number, programme in programmes.items():
        table[number] = programme[name]
    return table[numbers]


def _challenges(kept: NDArray[Any], else_decline: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """As `risk.judge` has it."""
    can_step_up = (kept["attempt"]["entry_mode"] == EntryMode.ECOMMERCE) & ~kept["recurring"]
    found = np.select(
        [kept["authenticated"], can_step_up, else_decline],
        [Challenge.PASS, Challenge.STEP_UP, Challenge.DECLINE],
        Challenge.PASS,
    )
    return found.astype(np.uint8)


def _behind(checks: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """What rules and ledger said."""
    found = np.select(
        [checks & _RULE_STEP_UP != 0, checks & (_RULES | _LEDGER) != 0, checks & AWAY != 0],
        [Outcome.STEP_UP, Outcome.REFUSED_AFTER, Outcome.AWAY],
        Outcome.APPROVED,
    )
    return found.astype(np.uint8)


def _owners(kept: NDArray[Any], programmes: Mapping[int, Mapping[str, Any]]) -> Owners:
    numbers, programme = np.unique(kept["programme"], return_inverse=True)
    accounts, account = np.unique(kept["attempt"]["account"], return_inverse=True)
    cards, card = np.unique(kept["attempt"]["card_row"], return_inverse=True)
    return Owners(
        programmes=[programmes[number]["name"] for number in numbers.tolist()],
        accounts=[str(number) for number in accounts.tolist()],
        cards=[str(number) for number in cards.tolist()],
        programme=programme,
        account=account,
        card=card,
    )


def _given(kept: NDArray[Any], endings: NDArray[Any], reserved_ns: NDArray[np.int64]) -> NDArray[Any]:
    """
    What reversals, expiries and clearings gave back: GIVEN[m] in order, of an authorization's newest part first.

    What was cleared stays consumed, and its count with it.
    """
    parts: dict[tuple[int, int], list[int]] = {}
    for place, record in enumerate(kept):
        if record["held"]:
            of = record["id"] if record["operation"] == Operation.AUTHORIZE else record["original"]
            parts.setdefault((int(of[0]), int(of[1])), []).append(place)
    standing = kept["held_minor"].copy()
    cleared: set[tuple[int, int]] = set()
    found = list(_lines(endings, parts, standing, cleared, reserved_ns))
    given = np.array(found, GIVEN) if found else np.zeros(0, GIVEN)
    return given[np.argsort(given["after"], kind="stable")]


def _lines(
    endings: NDArray[Any],
    parts: Mapping[tuple[int, int], Sequence[int]],
    standing: NDArray[np.int64],
    cleared: set[tuple[int, int]],
    reserved_ns: NDArray[np.int64],
) -> Iterator[tuple[int, int, int, bool]]:
    for record in endings:
        of = (int(record["original"][0]), int(record["original"][1]))
        rest_minor = int(record["released_minor"])
        if record["operation"] == Operation.CLEAR and record["held_minor"] > 0:
            cleared.add(of)
        after = int(np.searchsorted(reserved_ns, record["decided_ns"], side="right"))
        for place in reversed(parts.get(of, ())):
            amount_minor = min(rest_minor, int(standing[place]))
            if amount_minor > 0:
                rest_minor -= amount_minor
                standing[place] -= amount_minor
                yield after, place, amount_minor, bool(standing[place] == 0) and of not in cleared


def _local_days(times_s: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Days since 1970 on the zone's wall clock."""
    from_s, offset_s = zone_table(zone)
    found: NDArray[np.int64] = (
        times_s + offset_s[np.searchsorted(from_s, times_s, side="right") - 1]
    ) // _DAY_S
    return found


def _months(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Months since January 1970, as `calendar.month_of` counts them."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
