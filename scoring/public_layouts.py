"""
Two public histories as the server sees them when they are replayed to it (`holdfast replay`).

Sparkov: simulated card transactions with category, merchant and place; cardholders in a file of their own. The
Fraud Detection Handbook: simulated too, a customer, a terminal and an amount and nothing else, so that every
merchant has one category. Neither tells terminals of one merchant apart: each merchant has one.
"""

import csv
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from scoring.attempt import Verdict, empty_attempts
from scoring.outlet import digests, handbook_outlet, outlet
from scoring.table import HistoryError, Table
from scoring.transactions import Transactions

SPARKOV_COLUMNS: Final = frozenset(
    ("unix_time", "cc_num", "category", "merchant", "merch_lat", "merch_long", "amount_minor")
)
HANDBOOK_COLUMNS: Final = frozenset(("datetime", "customer_id", "terminal_id", "amount_minor"))
LABEL: Final = "is_fraud"

HANDBOOK_CATEGORY: Final = 5999
"""The one category of all its merchants: miscellaneous and specialty retail."""

MODE_CHIP, MODE_ECOMMERCE = 3, 5
_TYPE_PURCHASE: Final = 1
_COUNTRY_USA: Final = 840
_SCENARIOS: Final = np.array(["", "amount", "terminal compromised", "card leaked"])
_AMOUNT_MAX: Final = np.iinfo(np.int64).max


class Shape(NamedTuple):
    """How a category of the Sparkov file looks on a card network: its MCC, entry mode and presence."""

    category: int
    entry_mode: int
    card_present: int


SPARKOV_CATEGORIES: Final = {
    "entertainment": Shape(7832, MODE_CHIP, 1),
    "food_dining": Shape(5812, MODE_CHIP, 1),
    "gas_transport": Shape(5541, MODE_CHIP, 1),
    "grocery_net": Shape(5411, MODE_ECOMMERCE, 0),
    "grocery_pos": Shape(5411, MODE_CHIP, 1),
    "health_fitness": Shape(5912, MODE_CHIP, 1),
    "home": Shape(5200, MODE_CHIP, 1),
    "kids_pets": Shape(5945, MODE_CHIP, 1),
    "misc_net": Shape(5999, MODE_ECOMMERCE, 0),
    "misc_pos": Shape(5999, MODE_CHIP, 1),
    "personal_care": Shape(7298, MODE_CHIP, 1),
    "shopping_net": Shape(5969, MODE_ECOMMERCE, 0),
    "shopping_pos": Shape(5311, MODE_CHIP, 1),
    "travel": Shape(4722, MODE_CHIP, 1),
}


def sparkov(table: Table, customers: Path | None) -> Transactions:
    """A Sparkov file; `customers` is its customer file (CSV, `|`), for the cardholders' homes."""
    attempts = empty_attempts(table.rows)
    cards, attempts["card_row"] = table.names_of("cc_num")
    attempts["time_s"] = attempts["local_time_s"] = table.times("unix_time")
    attempts["amount_minor"] = table.integers("amount_minor", 0, _AMOUNT_MAX)
    names, rows = table.names_of("merchant")
    merchants, terminals = digests([outlet(name) for name in names])
    attempts["merchant"], attempts["terminal"] = merchants[rows], terminals[rows]
    attempts["latitude_deg"] = table.reals("merch_lat", -90, 90)
    attempts["longitude_deg"] = table.reals("merch_long", -180, 180)
    categories, category_rows = table.names_of("category")
    unknown = [place for place, category in enumerate(categories) if category not in SPARKOV_CATEGORIES]
    if unknown:
        row = int(np.argmax(np.isin(category_rows, unknown)))
        raise HistoryError(
            f"{table.name}: category is {categories[category_rows[row]]!r} in row {row};"
            f" allowed are {sorted(SPARKOV_CATEGORIES)}"
        )
    shapes = [SPARKOV_CATEGORIES[category] for category in categories]
    for field in Shape._fields:
        attempts[field] = np.array([getattr(shape, field) for shape in shapes])[category_rows]
    _complete(attempts)
    beside: dict[str, Any] = {}
    if customers is not None:
        holders = _customers(customers)
        nobody = _Customer((np.nan, np.nan), "", "")
        known = [holders.get(card, nobody) for card in cards]
        places = np.array([customer.home for customer in known], np.float32)
        attempts["home_latitude_deg"] = places[attempts["card_row"], 0]
        attempts["home_longitude_deg"] = places[attempts["card_row"], 1]
        beside = {
            "born": [customer.born for customer in known],
            "regions": [customer.region for customer in known],
        }
    return Transactions(attempts, cards, _verdicts(table), unread=_unread(table, SPARKOV_COLUMNS), **beside)


def handbook(table: Table) -> Transactions:
    """A Handbook file; its `fraud_scenario` says which of the book's three frauds a row is."""
    attempts = empty_attempts(table.rows)
    cards, attempts["card_row"] = table.names_of("customer_id")
    attempts["time_s"] = attempts["local_time_s"] = table.times("datetime")
    attempts["amount_minor"] = table.integers("amount_minor", 0, _AMOUNT_MAX)
    names, rows = table.names_of("terminal_id")
    merchants, terminals = digests([handbook_outlet(name) for name in names])
    attempts["merchant"], attempts["terminal"] = merchants[rows], terminals[rows]
    attempts["category"] = HANDBOOK_CATEGORY
    attempts["entry_mode"], attempts["card_present"] = MODE_CHIP, 1
    _complete(attempts)
    scenarios = None
    if "fraud_scenario" in table.names:
        scenarios = _SCENARIOS[table.integers("fraud_scenario", 0, len(_SCENARIOS) - 1)]
    unread = _unread(table, HANDBOOK_COLUMNS | {"fraud_scenario"})
    return Transactions(attempts, cards, _verdicts(table), scenarios=scenarios, unread=unread)


def _complete(attempts: np.ndarray) -> None:
    """What every row of both has: a purchase at home, on an account of the card's own."""
    attempts["country"] = attempts["home_country"] = _COUNTRY_USA
    attempts["transaction_type"] = _TYPE_PURCHASE
    attempts["account"] = attempts["card_row"] + 1


def _verdicts(table: Table) -> np.ndarray | None:
    if LABEL not in table.names:
        return None
    return np.where(table.flags(LABEL), np.uint8(Verdict.FRAUD), np.uint8(0))


def _unread(table: Table, read: frozenset[str]) -> list[str]:
    return sorted(table.names - read - {LABEL})


class _Customer(NamedTuple):
    """Where a cardholder lives, latitude and longitude; in which state; the birth date."""

    home: tuple[float, float]
    region: str
    born: str


def _customers(customers: Path) -> dict[str, _Customer]:
    try:
        with customers.open(newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines, delimiter="|")
            if not {"cc_num", "lat", "long"} <= set(rows.fieldnames or ()):
                raise HistoryError(f"{customers.name} lacks the columns cc_num, lat, long (separated by |)")
            return {row["cc_num"]: _customer(customers.name, number, row) for number, row in enumerate(rows)}
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryError(f"{customers.name} can't be read: {error}") from error


def _customer(name: str, number: int, row: dict[str, str]) -> _Customer:
    try:
        home = (float(row["lat"]), float(row["long"]))
        if not (abs(home[0]) <= 90 and abs(home[1]) <= 180):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise HistoryError(
            f"{name}: lat and long are {row['lat']!r} and {row['long']!r} in row {number};"
            " allowed are degrees, -90 to 90 and -180 to 180"
        ) from error
    return _Customer(home, row.get("state") or "", row.get("dob") or "")
