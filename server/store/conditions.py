"""
Conditions of rules: as people write them, as PostgreSQL keeps them, as the core reads them.

    amount > 500 and category in 6011,7995
    speed_kmh >= 900 and country not in US,CA and is_domestic = no
    device_seen = no and entry_mode = ecommerce and cardholder_authentication is missing

Written: a field, then > >= < <= = != with a number or a word, `in` or `not in` with several separated by commas, `is
missing` or `is present`; conditions are joined by `and`, and `or` is another rule. Kept: the same as JSON, numbers only:
[{"field": "amount", "above": 500}, {"field": "category", "in": [6011, 7995]}].
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scoring.features import FEATURE_NAMES
from server.core.directory import Condition, Operator
from server.core.record import CheckResult, EntryMode, TransactionType
from server.core.rules import CONDITIONS_MAX, FIELDS
from server.store.postgres import StoreError

VALUES_MAX: Final = 1_000
"""Values of one list."""

Document = list[dict[str, Any]]

_SIGNS: Final = {
    ">": "above",
    ">=": "at_least",
    "<": "below",
    "<=": "at_most",
    "=": "equals",
    "==": "equals",
    "!=": "not_in",
}
_OPERATORS: Final = ("above", "at_least", "below", "at_most", "equals", "in", "not_in", "missing")
_WRITTEN: Final = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<=", "equals": "="}
_COMPARED: Final = re.compile(r"(\w+)\s*(>=|<=|!=|==|=|>|<)\s*(\S+)")
_LISTED: Final = re.compile(r"(\w+)\s+(not\s+in|in)\s*\(?\s*([^()]+?)\s*\)?")
_MISSING: Final = re.compile(r"(\w+)\s+is\s+(missing|present)")
_FLAGS: Final = {"no": 0, "yes": 1, "false": 0, "true": 1}
_CHECKS: Final = {result.name.lower(): int(result) for result in CheckResult if result}
_WORDS: Final[Mapping[str, Mapping[str, int]]] = {
    "entry_mode": {mode.name.lower(): int(mode) for mode in EntryMode if mode},
    "transaction_type": {kind.name.lower(): int(kind) for kind in TransactionType},
    "card_verification": _CHECKS,
    "pin_verification": _CHECKS,
    "address_verification": _CHECKS,
    "cardholder_authentication": _CHECKS,
}


@dataclass(frozen=True, slots=True)
class Codes:
    """ISO codes that may be written in place of numbers: countries' two letters, currencies' three."""

    countries: Mapping[str, int] = field(default_factory=dict)
    currencies: Mapping[str, int] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[str, int]:
        """The words that a field's values may be written with."""
        if name == "country":
            return self.countries
        if name == "currency":
            return self.currencies
        return _WORDS.get(name, _FLAGS)


def parse_conditions(text: str, codes: Codes) -> Document:
    """
    What a person wrote, as it is kept: in words, or as JSON.

    Raises StoreError naming the condition that can't be read, the field that is unknown, and what is allowed.
    """
    text = text.strip()
    if text.startswith(("[", "{")):
        try:
            given = json.loads(text)
        except ValueError as error:
            raise StoreError(f"when: that is no JSON: {error}.") from None
        document = given if isinstance(given, list) else [given]
    else:
        document = [_clause(part.strip(), codes) for part in re.split(r"\s+and\s+", text)]
    check_conditions(document)
    return document


def check_conditions(document: Any) -> None:
    """Raises StoreError, naming the condition and what is allowed, where a document can't be kept."""
    if not isinstance(document, list) or not 0 < len(document) <= CONDITIONS_MAX:
        raise StoreError(f"when: a rule has 1 to {CONDITIONS_MAX} conditions.")
    for entry in document:
        if not isinstance(entry, dict) or len(entry) != 2 or not isinstance(entry.get("field"), str):
            raise StoreError(f"when: {entry} is not a field and one of {', '.join(_OPERATORS)}.")
        if entry["field"] not in FIELDS and entry["field"] not in FEATURE_NAMES:
            raise StoreError(
                f"when: there is no field {entry['field']!r}. Fields of the request: {', '.join(FIELDS)}. "
                f"Features: {', '.join(FEATURE_NAMES)}."
            )
        operator, value = next((name, value) for name, value in entry.items() if name != "field")
        if operator not in _OPERATORS:
            raise StoreError(f"when: {operator!r} is none of {', '.join(_OPERATORS)}.")
        _check_value(entry["field"], operator, value)


def read_conditions(text: str) -> tuple[Condition, ...]:
    """The core's conditions of a document as PostgreSQL has it."""
    conditions = []
    for entry in json.loads(text):
        operator, value = next((name, value) for name, value in entry.items() if name != "field")
        values = tuple(map(float, value)) if isinstance(value, list) else (float(value),)
        conditions.append(Condition(entry["field"], Operator[operator.upper()], values))
    return tuple(conditions)


def written(document: Document, codes: Codes) -> str:
    """A document as a person would write it."""
    return " and ".join(_sentence(entry, codes) for entry in document)


def _clause(text: str, codes: Codes) -> dict[str, Any]:
    if match := _MISSING.fullmatch(text):
        return {"field": match[1], "missing": match[2] == "missing"}
    if match := _LISTED.fullmatch(text):
        values = [_number(match[1], part.strip(), codes) for part in match[3].split(",")]
        return {"field": match[1], "in" if match[2] == "in" else "not_in": values}
    if match := _COMPARED.fullmatch(text):
        value = _number(match[1], match[3], codes)
        operator = _SIGNS[match[2]]
        return {"field": match[1], operator: [value] if operator == "not_in" else value}
    raise StoreError(
        f"when: {text!r} is no condition. Write a field, then > >= < <= = != and a value, or in a,b,c, or is missing; "
        "join conditions by and. For or, add another rule."
    )


def _number(name: str, text: str, codes: Codes) -> float:
    words = codes.of(name)
    for word in (text, text.lower(), text.upper()):
        if word in words:
            return words[word]
    try:
        value = float(text)
    except ValueError:
        allowed = f" or one of {', '.join(words)}" if len(words) <= len(_WORDS["transaction_type"]) else ""
        raise StoreError(f"when: {text!r} is no value of {name}: write a number{allowed}.") from None
    return int(value) if value.is_integer() else value


def _check_value(name: str, operator: str, value: Any) -> None:
    if operator == "missing":
        if not isinstance(value, bool):
            raise StoreError(f"when: missing is true or false, not {value!r}, for {name}.")
        return
    listed = operator in {"in", "not_in"}
    values = value if listed and isinstance(value, list) else [value]
    if listed and (not isinstance(value, list) or not 0 < len(value) <= VALUES_MAX):
        raise StoreError(f"when: {operator} lists 1 to {VALUES_MAX} numbers, for {name}.")
    for one in values:
        if isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one):
            raise StoreError(f"when: {one!r} is no number, for {name}.")


def _sentence(entry: dict[str, Any], codes: Codes) -> str:
    name = entry["field"]
    operator, value = next((operator, value) for operator, value in entry.items() if operator != "field")
    words = {number: word for word, number in codes.of(name).items()} if codes.of(name) is not _FLAGS else {}
    if operator == "missing":
        return f"{name} is {'missing' if value else 'present'}"
    if operator in _WRITTEN:
        return f"{name} {_WRITTEN[operator]} {words.get(value, value)}"
    return f"{name} {operator.replace('_', ' ')} {','.join(str(words.get(one, one)) for one in value)}"
