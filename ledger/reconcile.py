"""
What the ledger holds for each authorization, and where that differs from what its owner believes.

    missing   it should be held, and nothing is
    double    more is held than once: another hold stands beside the one that should
    amount    something else is held, or was settled, than should be
    state     it is held, and should not be any more, or was never approved

Arrays in, arrays out: the ledger's side comes page by page from its history, the other side from whoever decided.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.chart import AccountCode, TransferCode
from ledger.transfer import Ids, TransferFlags, Transfers, ids_of

STANDING: Final = np.dtype(
    [
        ("authorization_id", "<u8", (2,)),
        ("pending_minor", "<i8"),  # held, and not resolved
        ("settled_minor", "<i8"),  # booked to settlement, less what came back from it
        ("holds", "<i8"),  # how many pending transfers that is
    ]
)
"""What stands in the books for one authorization; or what should, where `holds` is the most there may be."""

DRIFT: Final = np.dtype(
    [
        ("authorization_id", "<u8", (2,)),
        ("kind", "u1"),  # Drift
        ("expected_pending_minor", "<i8"),
        ("found_pending_minor", "<i8"),
        ("expected_settled_minor", "<i8"),
        ("found_settled_minor", "<i8"),
    ]
)

_CARD_CODES: Final = (TransferCode.HOLD, TransferCode.EXCESS, TransferCode.OVERDRAWN, TransferCode.CREDIT)
_PENDING: Final = int(TransferFlags.PENDING)
_VOID: Final = int(TransferFlags.VOID_PENDING_TRANSFER)
_SETTLEMENT: Final = np.uint64(AccountCode.SETTLEMENT)


class Drift(IntEnum):
    """See above."""

    MISSING = 1
    DOUBLE = 2
    AMOUNT = 3
    STATE = 4


class Standings:
    """The ledger's side: `add` every page of its history, then ask for `all`."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = []

    def add(self, page: Transfers) -> None:
        """Take in the next transfers; what is not about cards is passed over."""
        # What resolves a hold keeps its code.
        chosen = page[np.isin(page["code"], _CARD_CODES)]
        kept = np.zeros(len(chosen), _KEPT)
        kept["id"], kept["pending_id"] = ids_of(chosen), ids_of(chosen, "pending_id")
        kept["authorization_id"] = ids_of(chosen, "user_data_128")
        kept["amount_minor"], kept["flags"] = chosen["amount_lo"], chosen["flags"]
        booked = chosen["flags"] & (_PENDING | _VOID) == 0
        to_settlement = chosen["credit_account_id_hi"] >> np.uint64(32) == _SETTLEMENT
        from_settlement = chosen["debit_account_id_hi"] >> np.uint64(32) == _SETTLEMENT
        kept["sign"] = np.where(booked, to_settlement.astype(np.int8) - from_settlement.astype(np.int8), 0)
        self._parts.append(kept)

    def all(self) -> NDArray[Any]:
        """STANDING[n], one for each authorization, by id."""
        kept = np.concatenate([np.zeros(0, _KEPT), *self._parts])
        pending = kept["flags"] & _PENDING != 0
        numbers, resolved = numbered(kept["id"], kept["pending_id"][kept["pending_id"].any(axis=1)])
        stands = pending & ~np.isin(numbers, resolved)
        (place,) = numbered(kept["authorization_id"])
        count = int(place.max(initial=-1)) + 1
        standings = np.zeros(count, STANDING)
        standings["authorization_id"][place] = kept["authorization_id"]
        np.add.at(standings["pending_minor"], place[stands], kept["amount_minor"][stands])
        np.add.at(standings["holds"], place[stands], kept["amount_minor"][stands] > 0)
        np.add.at(standings["settled_minor"], place, kept["sign"] * kept["amount_minor"])
        return standings


_KEPT: Final = np.dtype(
    [
        ("id", "<u8", (2,)),
        ("pending_id", "<u8", (2,)),
        ("authorization_id", "<u8", (2,)),
        ("amount_minor", "<i8"),
        ("flags", "<u2"),
        ("sign", "i1"),
    ]
)


def compare(found: NDArray[Any], expected: NDArray[Any], *, settled: bool) -> NDArray[Any]:
    """
    DRIFT[k] between what stands in the ledger and what should, STANDING[n] and STANDING[m].

    What only one of them knows is nothing in the other. `settled`: whether what was settled is compared too.
    """
    here, there = numbered(found["authorization_id"], expected["authorization_id"])
    count = max(int(here.max(initial=-1)), int(there.max(initial=-1))) + 1
    both = np.zeros((2, count), STANDING)
    both[0, here], both[1, there] = found, expected
    both["authorization_id"][:, here] = found["authorization_id"]
    both["authorization_id"][:, there] = expected["authorization_id"]
    stands, should = both
    differ = stands["pending_minor"] != should["pending_minor"]
    kinds = np.zeros(count, np.uint8)
    if settled:
        kinds[stands["settled_minor"] != should["settled_minor"]] = Drift.AMOUNT
    kinds[differ] = Drift.AMOUNT
    kinds[differ & (stands["pending_minor"] == 0)] = Drift.MISSING
    kinds[differ & (should["pending_minor"] == 0)] = Drift.STATE
    kinds[(should["pending_minor"] > 0) & (stands["holds"] > should["holds"])] = Drift.DOUBLE
    drifting = np.flatnonzero(kinds)
    drift = np.zeros(len(drifting), DRIFT)
    drift["authorization_id"], drift["kind"] = stands["authorization_id"][drifting], kinds[drifting]
    drift["expected_pending_minor"] = should["pending_minor"][drifting]
    drift["found_pending_minor"] = stands["pending_minor"][drifting]
    drift["found_settled_minor"] = stands["settled_minor"][drifting]
    drift["expected_settled_minor"] = (should if settled else stands)["settled_minor"][drifting]
    return drift


def numbered(*parts: Ids) -> list[NDArray[np.intp]]:
    """For every id (u8[n, 2]) of every part a number: the same for the same id, dense from 0, in their order."""
    ids = np.concatenate(parts)
    order = np.lexsort((ids[:, 0], ids[:, 1]))
    ordered = ids[order]
    first = np.ones(len(ids), np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(ids), np.intp)
    numbers[order] = np.cumsum(first) - 1
    return np.split(numbers, np.cumsum([len(part) for part in parts])[:-1])
