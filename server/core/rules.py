"""
Rules: what an issuer decides beside the score, by conditions on features and on the request.

All conditions of a rule must hold. What is missing (NaN) fulfils none but the one that asks whether it is missing. A rule
that is live declines, asks for more authentication, or flags; one in shadow does nothing but count, as do lines of block
lists in shadow, each under its list's name. Money that comes in is not judged.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.features import FEATURE_NAMES
from server.core.block_lists import note_name
from server.core.directory import Action, Operator, Rule
from server.core.policy import Check
from server.core.record import CREDITING, CheckResult, EntryMode

FIELDS: Final = (
    "amount_minor",  # as sent, in the request's currency
    "billed_minor",  # in the account's
    "cashback_amount_minor",
    "currency",  # ISO 4217 number
    "country",  # the merchant's, ISO 3166-1 number
    "category",  # MCC
    "entry_mode",
    "transaction_type",
    "card_present",
    "recurring",
    "card_verification",
    "pin_verification",
    "address_verification",
    "cardholder_authentication",
    "score",
)
"""What a condition may name beside the features; a request's own field goes before a feature of its name."""

CONDITIONS_MAX: Final = 16
"""Conditions of one rule."""

CONDITION: Final = np.dtype(
    [
        ("first", "<i8"),  # its values
        ("last", "<i8"),
        ("column", "<i4"),  # of the features; -1 - k is field k
        ("operator", "<i4"),
    ]
)
RULE: Final = np.dtype(
    [
        ("first", "<i8"),  # its conditions
        ("last", "<i8"),
        ("programme", "<i4"),  # -1: all
        ("name", "<u2"),
        ("action", "u1"),
        ("shadow", "u1"),
    ]
)

_ABOVE: Final = int(Operator.ABOVE)
_AT_LEAST: Final = int(Operator.AT_LEAST)
_BELOW: Final = int(Operator.BELOW)
_AT_MOST: Final = int(Operator.AT_MOST)
_EQUALS: Final = int(Operator.EQUALS)
_NOT_IN: Final = int(Operator.NOT_IN)
_MISSING: Final = int(Operator.MISSING)
_DECLINE: Final = int(Action.DECLINE)
_STEP_UP: Final = int(Action.STEP_UP)
_MATCH: Final = int(CheckResult.MATCH)
_ECOMMERCE: Final = int(EntryMode.ECOMMERCE)
_RULE_DECLINE: Final = int(Check.RULE_DECLINE)
_RULE_STEP_UP: Final = int(Check.RULE_STEP_UP)
_RULE_STEP_UP_IMPOSSIBLE: Final = int(Check.RULE_STEP_UP_IMPOSSIBLE)
_RULE_FLAGGED: Final = int(Check.RULE_FLAGGED)


@njit(cache=True)
def field_value(intent: Any, field: int) -> float:
    """Field `field` of FIELDS as a number; NaN where the request lacks it."""
    request = intent.request
    value = 0.0
    lacks_zero = False
    if field == 0:
        value = float(request.amount_minor)
    elif field == 1:
        value = float(intent.billed_minor)
    elif field == 2:
        value = float(request.cashback_amount_minor)
    elif field == 8:
        value = float(request.card_present)
    elif field == 9:
        value = float(request.recurring)
    elif field == 14:
        value = float(intent.score)
    else:
        lacks_zero = True
        if field == 3:
            value = float(request.currency)
        elif field == 4:
            value = float(request.country)
        elif field == 5:
            value = float(request.category)
        elif field == 6:
            value = float(request.entry_mode)
        elif field == 7:
            value = float(request.transaction_type)
        elif field == 10:
            value = float(request.card_verification)
        elif field == 11:
            value = float(request.pin_verification)
        elif field == 12:
            value = float(request.address_verification)
        elif field == 13:
            value = float(request.cardholder_authentication)
    if lacks_zero and value == 0.0:
        return np.nan
    return value


@njit(cache=True)
def holds(value: float, operator: int, values: Any) -> bool:
    """Whether a value fulfils a condition; `values` are what it is compared with."""
    if operator == _MISSING:
        return np.isnan(value) == (values[0] != 0)
    if np.isnan(value):
        return False
    if operator == _ABOVE:
        return value > values[0]
    if operator == _AT_LEAST:
        return value >= values[0]
    if operator == _BELOW:
        return value < values[0]
    if operator == _AT_MOST:
        return value <= values[0]
    if operator == _EQUALS:
        return value == values[0]
    found = False
    for k in range(len(values)):
        found = found or value == values[k]
    return found != (operator == _NOT_IN)


@njit(cache=True)
def _fits(rule: Any, conditions: Any, values: Any, intent: Any, features: Any) -> bool:
    for k in range(rule.first, rule.last):
        condition = conditions[k]
        if condition.column >= 0:
            value = float(features[condition.column])
        else:
            value = field_value(intent, -1 - condition.column)
        if not holds(value, condition.operator, values[condition.first : condition.last]):
            return False
    return True


@njit(cache=True)
def stepped_up(request: Any, programme: Any, asked: int, impossible: int, flagged: int) -> int:
    """Which of these a step-up comes to: flagged where the holder has proved it, asked where the channel can."""
    if request.cardholder_authentication == _MATCH:
        return flagged
    if request.entry_mode == _ECOMMERCE and not request.recurring:
        return asked
    return impossible if programme.step_up_else_decline else flagged


@njit(cache=True)
def check_of(action: int, request: Any, programme: Any) -> int:
    """The check that a live rule's action comes to: more authentication only where there is none and the channel can."""
    if action == _DECLINE:
        return _RULE_DECLINE
    if action != _STEP_UP:
        return _RULE_FLAGGED
    return stepped_up(request, programme, _RULE_STEP_UP, _RULE_STEP_UP_IMPOSSIBLE, _RULE_FLAGGED)


@njit(cache=True)
def judge(
    intents: Any, features: Any, programmes: Any, rules: Any, conditions: Any, values: Any, hits: Any
) -> None:
    """
    Note in INTENT[n] which rules fit it and its features f4[n, F], and what the live ones ask for.

    `hits` (u8[names, 2]) counts every hit by the name's number: live, in shadow.
    """
    for i in range(len(intents)):
        intent = intents[i]
        for k in range(len(intent.rules_shadowed)):
            if intent.rules_shadowed[k] != 0:
                hits[intent.rules_shadowed[k], 1] += 1
        if (CREDITING >> intent.request.transaction_type) & 1:
            continue
        for k in range(len(rules)):
            rule = rules[k]
            if rule.programme >= 0 and rule.programme != intent.programme:
                continue
            if not _fits(rule, conditions, values, intent, features[i]):
                continue
            if rule.shadow:
                hits[rule.name, 1] += 1
                note_name(intent.rules_shadowed, rule.name)
                continue
            hits[rule.name, 0] += 1
            note_name(intent.rules_hit, rule.name)
            check = check_of(rule.action, intent.request, programmes[intent.programme])
            intent.checks_failed |= np.uint64(1) << np.uint64(check)


class Rules:
    """The rules as tables, the stage that reads them, and how often each was hit."""

    def __init__(self) -> None:
        self.hits: NDArray[np.uint64] = np.zeros((1, 2), np.uint64)
        """u8[names, 2] by the numbers of names: hits since the start, of live rules, and in shadow."""
        self.unknown: list[str] = []
        """Fields that rules name and nothing here is called by: such a rule never fits."""
        self.compile((), 0, np.zeros(0, np.uint8))

    def compile(self, rules: Iterable[Rule], names: int, programmes: NDArray[Any]) -> None:
        """
        Make the tables: rules that decline come first, shadows last.

        `names` is the highest number of a name; `programmes` are the controls' table of them.
        """
        self._programmes = programmes
        ordered = sorted(rules, key=lambda rule: (rule.shadow, rule.action, rule.name, rule.number))
        self.unknown = sorted(
            {
                condition.field
                for rule in ordered
                for condition in rule.conditions
                if not _known(condition.field)
            }
        )
        sound = [rule for rule in ordered if all(_known(condition.field) for condition in rule.conditions)]
        self._rules = np.zeros(len(sound), RULE)
        conditions: list[tuple[int, int, int, int]] = []
        values: list[float] = []
        for row, rule in zip(self._rules, sound, strict=True):
            row["name"], row["action"], row["shadow"] = rule.name, rule.action, rule.shadow
            row["programme"] = -1 if rule.programme is None else rule.programme
            row["first"] = len(conditions)
            for condition in rule.conditions:
                column = _column(condition.field)
                # A feature has four bytes: 0.1 is what four bytes make of it.
                given = condition.values if column < 0 else [float(np.float32(v)) for v in condition.values]
                conditions.append((len(values), len(values) + len(given), column, condition.operator))
                values += given
            row["last"] = len(conditions)
        self._conditions = np.array(conditions, CONDITION)
        self._values = np.array(values, np.float64)
        if names >= len(self.hits):
            hits = np.zeros((names + 1, 2), np.uint64)
            hits[: len(self.hits)] = self.hits
            self.hits = hits

    def judge(self, features: NDArray[np.float32], intents: NDArray[Any]) -> None:
        """Note which rules fit INTENT[n] of known cards and their features f4[n, F], and what they ask for."""
        judge(intents, features, self._programmes, self._rules, self._conditions, self._values, self.hits)


def _known(field: str) -> bool:
    return field in FIELDS or field in FEATURE_NAMES


def _column(field: str) -> int:
    return -1 - FIELDS.index(field) if field in FIELDS else FEATURE_NAMES.index(field)
