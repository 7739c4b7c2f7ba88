"""
Holdfast's own layout of a history (Parquet): everything that scoring sees of a request, labels and their times.

One row a transaction. Columns marked * must be there; any other may be left out or have empty cells, and then
its value is missing. Columns of other names are not read, and said to be.

| Column | Type | Means |
| --- | --- | --- |
| `time_s` * | timestamp, or whole seconds since 1970 UTC | the message's transmission time |
| `card` * | text or whole number | the card's identity in this file: a token, never a card number that is real |
| `amount_minor` * | whole number, >= 0 | in the account's currency, minor units |
| `id` | text or whole number | the transaction's own identity, once in the file |
| `account` | text or whole number | cards of one account share its windows; without it each card has its own |
| `local_time_s` | as `time_s` | the merchant's wall clock, read as UTC |
| `acquirer` | text or whole number | the merchant's acquirer (DE32): a merchant id is its acquirer's |
| `merchant` | text, or 64-bit digest | who sold (DE42) |
| `terminal` | text, or 64-bit digest | at which terminal (DE41): a terminal id is its merchant's |
| `device` | text, or 64-bit digest | the cardholder's device |
| `ip` | text, or 64-bit digest | an IPv4 or IPv6 address; of the latter the first 64 bits count |
| `latitude_deg`, `longitude_deg` | number | of the merchant |
| `home_latitude_deg`, `home_longitude_deg` | number | of the cardholder |
| `category` | whole number or text, 0..9999 | merchant category code (MCC) |
| `country`, `home_country` | whole number, 0..999 | ISO 3166-1 numeric: of the merchant, of the programme |
| `entry_mode` | whole number, 0..6 | as the contract's EntryMode |
| `transaction_type` | whole number, 0..9 | as the contract's TransactionType; a purchase where it is left out |
| `card_present` | yes or no | the card was there |
| `is_fraud` | yes or no | what became of it; or else: |
| `verdict` | text: fraud, dispute, false_positive | what was confirmed; empty where nobody said anything |
| `known_s` | as `time_s` | when the verdict became known |
| `scenario` | text | what kind of fraud, for the report |
| `born`, `region` | text | birth date (YYYY-MM-DD) and region of the cardholder, for the report |
"""

import ipaddress
from typing import Final

import numpy as np

from scoring.attempt import (
    TIME_MISSING,
    Verdict,
    empty_attempts,
    hash_merchant,
    network_digest,
    terminal_digest,
)
from scoring.outlet import terminal_bytes
from scoring.table import HistoryError, Table
from scoring.transactions import Transactions

_PURCHASE: Final = 1

_REQUIRED: Final = ("time_s", "card", "amount_minor")
_COLUMNS: Final = frozenset(
    (
        *_REQUIRED,
        *("id", "account", "local_time_s", "acquirer", "merchant", "terminal", "device", "ip", "latitude_deg", "longitude_deg"),
        *("home_latitude_deg", "home_longitude_deg", "category", "country", "home_country", "entry_mode"),
        *("transaction_type", "card_present", "is_fraud", "verdict", "known_s", "scenario", "born", "region"),
    )
)  # fmt: skip
_VERDICTS: Final = {
    "": 0,
    "fraud": Verdict.FRAUD,
    "dispute": Verdict.DISPUTE,
    "false_positive": Verdict.LEGITIMATE,
}
_WHOLE: Final = {"country": 999, "home_country": 999, "entry_mode": 6, "transaction_type": 9}
_DEGREES: Final = {
    "latitude_deg": 90,
    "longitude_deg": 180,
    "home_latitude_deg": 90,
    "home_longitude_deg": 180,
}


def own_layout(table: Table) -> Transactions:
    """The rows of a table in this layout. Raises HistoryError, naming column and row, where it is another."""
    if not set(_REQUIRED) <= table.names:
        raise HistoryError(
            f"{table.name} has neither Holdfast's columns {list(_REQUIRED)} nor those of Sparkov or the Handbook:"
            f" it has {sorted(table.names)}"
        )
    attempts = empty_attempts(table.rows)
    cards, attempts["card_row"] = table.names_of("card")
    attempts["time_s"] = table.times("time_s")
    attempts["amount_minor"] = table.integers("amount_minor", 0, np.iinfo(np.int64).max)
    attempts["account"] = attempts["card_row"] + 1
    if "account" in table.names:
        attempts["account"] = table.names_of("account")[1] + 1
    if "local_time_s" in table.names:
        attempts["local_time_s"] = table.times("local_time_s", TIME_MISSING)
    if "merchant" in table.names:
        attempts["merchant"] = _merchants(table)
    if "terminal" in table.names:
        attempts["terminal"] = _terminals(table, attempts["merchant"])
    for name in sorted({"device", "ip"} & table.names):
        attempts[name] = _digests(table, name)
    for name in sorted(_DEGREES.keys() & table.names):
        attempts[name] = table.reals(name, -_DEGREES[name], _DEGREES[name])
    attempts["transaction_type"] = _PURCHASE
    for name in sorted(_WHOLE.keys() & table.names):
        attempts[name] = table.integers(name, 0, _WHOLE[name], 0)
    if "category" in table.names:
        attempts["category"] = _categories(table)
    if "card_present" in table.names:
        attempts["card_present"] = table.integers("card_present", 0, 1, 0)
    has_ids = "id" in table.names
    if has_ids:
        _refuse_repeated_ids(table)
    return Transactions(
        attempts,
        cards,
        _verdicts(table),
        _known(table, attempts["time_s"]),
        is_settled="verdict" not in table.names,
        has_ids=has_ids,
        scenarios=_names(table, "scenario"),
        born=_holders(table, "born", attempts["card_row"], len(cards)),
        regions=_holders(table, "region", attempts["card_row"], len(cards)),
        unread=sorted(table.names - _COLUMNS),
    )


def _merchants(table: Table) -> np.ndarray:
    if table.is_numeric("merchant"):
        return table.digests("merchant")
    names, rows = table.names_of("merchant", may_be_missing=True)
    acquirers, of = [""], np.zeros(table.rows, np.int64)
    if "acquirer" in table.names:
        acquirers, of = table.names_of("acquirer", may_be_missing=True)
    pairs, places = np.unique(rows * len(acquirers) + of, return_inverse=True)
    hashed = [
        hash_merchant(acquirers[pair % len(acquirers)].encode(), names[pair // len(acquirers)].encode())
        for pair in pairs.tolist()
    ]
    return np.array(hashed, np.uint64)[places]


def _terminals(table: Table, merchants: np.ndarray) -> np.ndarray:
    if table.is_numeric("terminal"):
        return table.digests("terminal")
    names, rows = table.names_of("terminal", may_be_missing=True)
    owners, of = np.unique(merchants, return_inverse=True)
    pairs, places = np.unique(rows * len(owners) + of, return_inverse=True)
    hashed = [
        terminal_digest(owners[pair % len(owners)], terminal_bytes(names[pair // len(owners)].encode()))
        for pair in pairs.tolist()
    ]
    return np.array(hashed, np.uint64)[places]


def _digests(table: Table, name: str) -> np.ndarray:
    if table.is_numeric(name):
        return table.digests(name)
    names, rows = table.names_of(name, may_be_missing=True)
    if name != "ip":
        return np.array([hash_merchant(b"", text.encode()) for text in names], np.uint64)[rows]
    digests = np.zeros(len(names), np.uint64)
    for place, text in enumerate(names):
        try:
            digests[place] = _network(text) if text else 0
        except ValueError as error:
            row = int(np.argmax(rows == place))
            raise HistoryError(
                f"{table.name}: ip is {text!r} in row {row}; allowed are IP addresses"
            ) from error
    return digests[rows]


def _network(text: str) -> int:
    """The digest of what a network's holder doesn't choose, as of a request's `ip_address`."""
    address = ipaddress.ip_address(text)
    whole = int(address) | 0xFFFF << 32 if address.version == 4 else int(address)
    return int(network_digest(np.uint64(whole & 0xFFFF_FFFF_FFFF_FFFF), np.uint64(whole >> 64)))


def _categories(table: Table) -> np.ndarray:
    if table.is_numeric("category"):
        return table.integers("category", 0, 9_999, 0)
    names, rows = table.names_of("category", may_be_missing=True)
    for place, text in enumerate(names):
        if text and not (text.isascii() and text.isdigit() and len(text) <= 4):
            row = int(np.argmax(rows == place))
            raise HistoryError(
                f"{table.name}: category is {text!r} in row {row}; allowed are codes of four digits"
            )
    return np.array([int(text or 0) for text in names])[rows]


def _refuse_repeated_ids(table: Table) -> None:
    names, rows = table.names_of("id")
    if len(names) < len(rows):
        again = int(np.argmax(np.bincount(rows) > 1))
        places = np.flatnonzero(rows == again)
        raise HistoryError(
            f"{table.name}: id is {names[again]!r} in rows {int(places[0])} and {int(places[1])}"
        )


def _verdicts(table: Table) -> np.ndarray | None:
    if {"is_fraud", "verdict"} <= table.names:
        raise HistoryError(
            f"{table.name} has both is_fraud and verdict: one of them must say what became of a row"
        )
    if "is_fraud" in table.names:
        return np.where(table.flags("is_fraud"), np.uint8(Verdict.FRAUD), np.uint8(0))
    if "verdict" not in table.names:
        return None
    names, rows = table.names_of("verdict", may_be_missing=True)
    for place, text in enumerate(names):
        if text not in _VERDICTS:
            row = int(np.argmax(rows == place))
            raise HistoryError(
                f"{table.name}: verdict is {text!r} in row {row}; allowed are {sorted(filter(None, _VERDICTS))}"
            )
    return np.array([_VERDICTS[text] for text in names], np.uint8)[rows]


def _known(table: Table, times_s: np.ndarray) -> np.ndarray | None:
    if "known_s" not in table.names:
        return None
    known_s = table.times("known_s", 0)
    early = (known_s > 0) & (known_s < times_s)
    if early.any():
        row = int(np.argmax(early))
        raise HistoryError(f"{table.name}: known_s lies before time_s in row {row}: nobody knew that then")
    return known_s


def _names(table: Table, name: str) -> np.ndarray | None:
    if name not in table.names:
        return None
    names, rows = table.names_of(name, may_be_missing=True)
    return np.array(names)[rows]


def _holders(table: Table, name: str, card_rows: np.ndarray, cards: int) -> list[str]:
    """What a column says of each card's holder: its word in the card's last row that has one."""
    if name not in table.names:
        return []
    names, rows = table.names_of(name, may_be_missing=True)
    said = np.full(cards, names.index("") if "" in names else -1)
    filled = rows != (names.index("") if "" in names else -1)
    said[card_rows[filled]] = rows[filled]
    return ["" if place < 0 else names[place] for place in said]
