"""What a file of transactions gives, whatever its layout: attempts in the file's order, and what is beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scoring.attempt import hash_merchant

TYPE_PURCHASE: Final = 1
MODE_CHIP, MODE_ECOMMERCE = 3, 5


@dataclass(frozen=True)
class Transactions:
    """
    A file's rows, in its own order. Beside the attempts (ATTEMPT[n]) and the identity of each card row:

    verdicts u1[n] (`attempt.Verdict`, 0 for none), None where the file has no labels at all; known_s i8[n] when
    each became known, 0 where the file doesn't say; ids: whether each row has an id of its own, so that two equal
    rows are two transactions; scenarios: what kind of fraud, a name for each row; born and regions: birth date
    (YYYY-MM-DD) and region of each card's holder, "" where unknown; unread: columns that nobody reads.
    """

    attempts: np.ndarray
    cards: Sequence[str]
    verdicts: np.ndarray | None
    known_s: np.ndarray | None = None
    has_ids: bool = False
    scenarios: np.ndarray | None = None
    born: Sequence[str] = ()
    regions: Sequence[str] = ()
    unread: Sequence[str] = field(default=())


def hashes(identities: Sequence[str]) -> np.ndarray:
    """The digest of each identity, u8; 0 for the empty one."""
    return np.array([hash_merchant(identity.encode()) for identity in identities], np.uint64)


def scenario_names(numbers: np.ndarray, names: Mapping[int, str]) -> np.ndarray:
    """The name of each row's scenario."""
    return np.array([names.get(number, f"scenario {number}") for number in range(int(numbers.max()) + 1)])[numbers]
