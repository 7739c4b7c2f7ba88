"""
Labelled histories as attempts: what training reads of a file of transactions.

Each adapter turns one public layout into the attempts that the server would have seen of it, in time
order, so that features mean the same here and there. A column that a layout lacks stays missing.
"""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.attempt import empty_attempts, hash_merchant

_MODE_CHIP, _MODE_ECOMMERCE = 3, 5
_TYPE_PURCHASE = 1
_COUNTRY_USA = 840


class Shape(NamedTuple):
    """How a category of the Sparkov file looks on a card network: its MCC, entry mode and presence."""

    category: int
    entry_mode: int
    card_present: int


SPARKOV_CATEGORIES: Final = {
    "entertainment": Shape(7832, _MODE_CHIP, 1),
    "food_dining": Shape(5812, _MODE_CHIP, 1),
    "gas_transport": Shape(5541, _MODE_CHIP, 1),
    "grocery_net": Shape(5411, _MODE_ECOMMERCE, 0),
    "grocery_pos": Shape(5411, _MODE_CHIP, 1),
    "health_fitness": Shape(5912, _MODE_CHIP, 1),
    "home": Shape(5200, _MODE_CHIP, 1),
    "kids_pets": Shape(5945, _MODE_CHIP, 1),
    "misc_net": Shape(5999, _MODE_ECOMMERCE, 0),
    "misc_pos": Shape(5999, _MODE_CHIP, 1),
    "personal_care": Shape(7298, _MODE_CHIP, 1),
    "shopping_net": Shape(5969, _MODE_ECOMMERCE, 0),
    "shopping_pos": Shape(5311, _MODE_CHIP, 1),
    "travel": Shape(4722, _MODE_CHIP, 1),
}


class HistoryError(ValueError):
    """A history that can't be read as labelled transactions; says what is missing."""


class History(NamedTuple):
    """
    Transactions in time order with what became of them.

    attempts ATTEMPT[n], card rows counting through `cards`; is_fraud bool[n]; cards: the identity of each
    row in the file; fingerprint: SHA-256 of the files, hexadecimal.
    """

    attempts: np.ndarray
    is_fraud: np.ndarray
    cards: Sequence[str]
    fingerprint: str


def read_history(data: Path, customers: Path | None = None) -> History:
    """
    Reads a Sparkov or a Handbook file (Parquet), told apart by their columns. `customers` is Sparkov's
    customer file (CSV, `|`), for the cardholders' homes. Raises HistoryError for anything else.
    """
    try:
        table = pq.read_table(data)
    except (OSError, pa.ArrowInvalid) as error:
        raise HistoryError(f"{data.name} can't be read as Parquet: {error}") from error
    names = set(table.column_names)
    fingerprint = _fingerprint([data] if customers is None else [data, customers])
    if {"unix_time", "cc_num", "category", "merchant", "merch_lat", "merch_long", "amount_minor"} <= names:
        return _sorted(_sparkov(table, customers, fingerprint))
    if {"datetime", "customer_id", "terminal_id", "amount_minor"} <= names:
        return _sorted(_handbook(table, fingerprint))
    raise HistoryError(f"{data.name} has neither the Sparkov nor the Handbook columns: {sorted(names)}")


def _sparkov(table: pa.Table, customers: Path | None, fingerprint: str) -> History:
    attempts = empty_attempts(table.num_rows)
    cards, attempts["card_row"] = _distinct(table["cc_num"])
    attempts["time_s"] = table["unix_time"].to_numpy()
    attempts["local_time_s"] = attempts["time_s"]
    attempts["amount_minor"] = table["amount_minor"].to_numpy()
    merchants, merchant_rows = _distinct(table["merchant"])
    attempts["merchant"] = _hashes(merchants)[merchant_rows]
    attempts["latitude_deg"] = table["merch_lat"].to_numpy()
    attempts["longitude_deg"] = table["merch_long"].to_numpy()
    categories, category_rows = _distinct(table["category"])
    unknown = sorted(set(categories) - set(SPARKOV_CATEGORIES))
    if unknown:
        raise HistoryError(f"categories that the Sparkov generator does not have: {unknown}")
    shapes = [SPARKOV_CATEGORIES[category] for category in categories]
    for field in Shape._fields:
        attempts[field] = np.array([getattr(shape, field) for shape in shapes])[category_rows]
    attempts["country"] = attempts["home_country"] = _COUNTRY_USA
    attempts["transaction_type"] = _TYPE_PURCHASE
    if customers is not None:
        homes = _homes(customers)
        places = np.array([homes.get(card, (np.nan, np.nan)) for card in cards], np.float32)
        attempts["home_latitude_deg"] = places[attempts["card_row"], 0]
        attempts["home_longitude_deg"] = places[attempts["card_row"], 1]
    return History(attempts, _labels(table), cards, fingerprint)


def _handbook(table: pa.Table, fingerprint: str) -> History:
    attempts = empty_attempts(table.num_rows)
    cards, attempts["card_row"] = _distinct(table["customer_id"])
    attempts["time_s"] = table["datetime"].to_numpy().astype("datetime64[s]").astype(np.int64)
    attempts["local_time_s"] = attempts["time_s"]
    attempts["amount_minor"] = table["amount_minor"].to_numpy()
    terminals, terminal_rows = _distinct(table["terminal_id"])
    attempts["merchant"] = _hashes(terminals)[terminal_rows]
    attempts["card_present"] = 1
    attempts["transaction_type"] = _TYPE_PURCHASE
    return History(attempts, _labels(table), cards, fingerprint)


def _sorted(history: History) -> History:
    order = np.argsort(history.attempts["time_s"], kind="stable")
    return history._replace(attempts=history.attempts[order], is_fraud=history.is_fraud[order])


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The distinct values of a column as sorted strings, and each row's place among them."""
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    values = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(values)
    places = np.empty(len(values), np.int64)
    places[order] = np.arange(len(values))
    return list(values[order]), places[encoded.indices.to_numpy()]


def _hashes(identities: Sequence[str]) -> np.ndarray:
    return np.array([hash_merchant(b"", identity.encode()) for identity in identities], np.uint64)


def _labels(table: pa.Table) -> np.ndarray:
    if "is_fraud" not in table.column_names:
        raise HistoryError("the history has no column is_fraud: nothing can be learnt from it")
    return table["is_fraud"].to_numpy() != 0


def _homes(customers: Path) -> dict[str, tuple[float, float]]:
    with customers.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="|")
        if not {"cc_num", "lat", "long"} <= set(rows.fieldnames or ()):
            raise HistoryError(f"{customers.name} lacks the columns cc_num, lat, long")
        return {row["cc_num"]: (float(row["lat"]), float(row["long"])) for row in rows}


def _fingerprint(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
