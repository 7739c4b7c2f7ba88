"""
Recorded card histories as requests: what a processor would have sent for each row of a file, in the file's order.

Two public layouts (Parquet), told apart by their columns; the README says where they come from. Sparkov: simulated
card transactions with category, merchant and place, for 800 cardholders described in a file of their own. The Fraud
Detection Handbook: simulated too, with a customer, a terminal and an amount and nothing else, so that its cards are
made up here and every merchant has one category.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import EXPIRY_YYMM, made_up_pans
from scoring.outlet import ACQUIRER_ID, Outlet, handbook_outlet, outlet
from scoring.public_layouts import HANDBOOK_CATEGORY, SPARKOV_CATEGORIES
from scoring.table import HistoryError

SPARKOV_COLUMNS: Final = frozenset(
    ("unix_time", "cc_num", "category", "merchant", "merch_lat", "merch_long", "amount_minor", "is_fraud")
)
HANDBOOK_COLUMNS: Final = frozenset(("datetime", "customer_id", "terminal_id", "amount_minor", "is_fraud"))
HANDBOOK_PREFIX: Final = "999997"
"""The BIN of the Handbook's made-up cards; nine digits of customer id and the Luhn digit follow."""


class Holder(NamedTuple):
    """A card to be made for a replay, and whose it is. Fields are named as the server's `NewCard`."""

    pan: str
    given_name: str
    family_name: str
    opening_minor: int
    expiry_yymm: int = EXPIRY_YYMM
    birth_date: str | None = None  # YYYY-MM-DD
    ssn: str | None = None  # nine digits
    home_latitude_deg: float | None = None
    home_longitude_deg: float | None = None


@dataclass(frozen=True)
class History:
    """
    Transactions in time order. Every array has one entry a row; amounts are minor units of USD.

    `shapes` are the requests' constant parts (merchant, category, entry mode), `shape` says which one a row has.
    Coordinates are the merchant's, NaN where unknown. `spent_minor` is per card over the whole file.
    """

    name: str
    pans: Sequence[str]
    spent_minor: NDArray[np.int64]
    card: NDArray[np.int64]
    time_s: NDArray[np.int64]
    amount_minor: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    shapes: Sequence[pb.AuthorizeRequest]
    shape: NDArray[np.int64]
    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_s)

    def fill(self, request: Any, row: int) -> None:
        """Makes an empty AuthorizeRequest into the one of `row`; its key is the row's alone, in every run."""
        time_s = int(self.time_s[row])
        request.MergeFrom(self.shapes[self.shape[row]])
        key = request.key
        key.stan = row % 1_000_000
        key.retrieval_reference = f"{row:012d}"
        key.transmission_time.seconds = time_s
        request.local_time.seconds = time_s
        request.pan = self.pans[self.card[row]]
        request.amount_minor = int(self.amount_minor[row])
        latitude_deg = self.latitude_deg[row]
        if latitude_deg == latitude_deg:  # noqa: PLR0124 - the quickest test for NaN
            request.merchant.latitude_deg = latitude_deg
            request.merchant.longitude_deg = self.longitude_deg[row]


def read_history(file: Path, limit: int | None = None) -> History:
    """
    Reads a Sparkov or a Handbook file, its first `limit` rows in time order.

    Raises HistoryError for a file that is neither.
    """
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise HistoryError(f"{file.name} can't be read as Parquet: {error}") from error
    columns = set(table.column_names)
    if columns >= SPARKOV_COLUMNS:
        return _in_time_order(_sparkov(table), limit)
    if columns >= HANDBOOK_COLUMNS:
        return _in_time_order(_handbook(table), limit)
    raise HistoryError(f"{file.name} has neither the Sparkov nor the Handbook columns: {sorted(columns)}")


def customers_beside(file: Path) -> Path | None:
    """Sparkov's customer file where it lies beside a transactions file; None where it doesn't."""
    customers = file.with_name("sparkov_customers.csv")
    return customers if customers.exists() else None


def read_holders(history: History, customers: Path | None, funding_minor: int | None = None) -> list[Holder]:
    """
    The cards that a history needs, each opened with what its file spends unless `funding_minor` says otherwise.

    `customers` is Sparkov's customer file (CSV with `|`); cards that aren't in it get made-up holders. Raises
    HistoryError where it lacks a column.
    """
    spent_minor = dict(zip(history.pans, history.spent_minor.tolist(), strict=True))

    def opening_minor(pan: str) -> int:
        return spent_minor.get(pan, 0) if funding_minor is None else funding_minor

    described = [] if customers is None else _customer_rows(customers)
    holders = [_holder(row, opening_minor(row["cc_num"])) for row in described]
    known = {holder.pan for holder in holders}
    holders += [
        Holder(pan, "Cardholder", f"Number {number}", opening_minor(pan))
        for number, pan in enumerate(history.pans)
        if pan not in known
    ]
    return holders


def _holder(row: dict[str, str], opening_minor: int) -> Holder:
    return Holder(
        pan=row["cc_num"],
        given_name=row["first"],
        family_name=row["last"],
        opening_minor=opening_minor,
        birth_date=row["dob"],
        ssn=row["ssn"].replace("-", ""),
        home_latitude_deg=float(row["lat"]),
        home_longitude_deg=float(row["long"]),
    )


def _customer_rows(customers: Path) -> list[dict[str, str]]:
    with customers.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines, delimiter="|")
        missing = {"cc_num", "first", "last", "dob", "ssn", "lat", "long"} - set(reader.fieldnames or ())
        if missing:
            raise HistoryError(f"{customers.name} lacks the columns {sorted(missing)}")
        return list(reader)


def _sparkov(table: pa.Table) -> History:
    pans, card = _distinct(table["cc_num"])
    merchants, merchant = _distinct(table["merchant"])
    categories, category = _distinct(table["category"])
    unknown = sorted(set(categories) - set(SPARKOV_CATEGORIES))
    if unknown:
        raise HistoryError(f"categories that the Sparkov generator doesn't have: {unknown}")
    # A merchant of two categories is two shapes.
    pairs, shape = np.unique(merchant * len(categories) + category, return_inverse=True)

    def make(pair: int) -> pb.AuthorizeRequest:
        name, looks = (
            merchants[pair // len(categories)],
            SPARKOV_CATEGORIES[categories[pair % len(categories)]],
        )
        return _shape(outlet(name), looks.category, bool(looks.card_present), looks.entry_mode)

    return _history(
        "sparkov",
        table,
        pans,
        card,
        table["unix_time"].to_numpy(),
        (make, pairs, shape),
        table["merch_lat"].to_numpy(),
        table["merch_long"].to_numpy(),
    )


def _handbook(table: pa.Table) -> History:
    customers, card = np.unique(table["customer_id"].to_numpy(), return_inverse=True)
    terminals, shape = np.unique(table["terminal_id"].to_numpy(), return_inverse=True)

    def make(terminal: int) -> pb.AuthorizeRequest:
        place = handbook_outlet(str(terminal))
        return _shape(place, HANDBOOK_CATEGORY, card_present=True, entry_mode=pb.ENTRY_MODE_CHIP)

    unknown_deg = np.full(table.num_rows, np.nan)
    return _history(
        "handbook",
        table,
        made_up_pans(HANDBOOK_PREFIX, customers),
        card,
        table["datetime"].to_numpy().astype("datetime64[s]").astype(np.int64),
        (make, terminals, shape),
        unknown_deg,
        unknown_deg,
    )


def _history(
    name: str,
    table: pa.Table,
    pans: Sequence[str],
    card: NDArray[np.int64],
    time_s: NDArray[np.int64],
    shapes: tuple[Callable[[int], pb.AuthorizeRequest], NDArray[np.int64], NDArray[np.int64]],
    latitude_deg: NDArray[np.float64],
    longitude_deg: NDArray[np.float64],
) -> History:
    """What both layouts share. `shapes`: makes one, of which distinct values, and each row's place among them."""
    make, values, shape = shapes
    amount_minor = table["amount_minor"].to_numpy().astype(np.int64)
    spent_minor = np.zeros(len(pans), np.int64)
    np.add.at(spent_minor, card, amount_minor)
    return History(
        name=name,
        pans=pans,
        spent_minor=spent_minor,
        card=card,
        time_s=time_s.astype(np.int64),
        amount_minor=amount_minor,
        is_fraud=table["is_fraud"].to_numpy() != 0,
        shapes=[make(value) for value in values.tolist()],
        shape=shape,
        latitude_deg=latitude_deg.astype(np.float64),
        longitude_deg=longitude_deg.astype(np.float64),
    )


def _shape(place: Outlet, category: int, card_present: bool, entry_mode: int) -> pb.AuthorizeRequest:
    """What every request to a merchant has in common."""
    return pb.AuthorizeRequest(
        key=pb.MessageKey(acquirer_id=ACQUIRER_ID, terminal_id=place.terminal_id),
        transaction_type=pb.TRANSACTION_TYPE_PURCHASE,
        currency="USD",
        expiry_yymm=EXPIRY_YYMM,
        card_present=card_present,
        entry_mode=cast("Any", entry_mode),
        merchant=pb.Merchant(
            merchant_id=place.merchant_id, name=place.name[:25], country="US", category_code=f"{category:04}"
        ),
    )


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct values of a text column, and each row's place among them."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _in_time_order(history: History, limit: int | None) -> History:
    order = np.argsort(history.time_s, kind="stable")[:limit]
    columns = ("card", "time_s", "amount_minor", "is_fraud", "shape", "latitude_deg", "longitude_deg")
    parts: dict[str, Any] = {**vars(history), **{name: getattr(history, name)[order] for name in columns}}
    return History(**parts)
