"""What a file of transactions gives, whatever its layout: attempts in the file's order, and what is beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Transactions:
    """
    A file's rows, in its own order. Beside the attempts (ATTEMPT[n]) and the identity of each card row:

    verdicts u1[n] (`attempt.Verdict`, 0 for none), None where the file has no labels at all; known_s i8[n] when
    each became known, 0 where the file doesn't say; is_settled: whether every row says what became of it; ids: whether each row has an id of its own, so that two equal
    rows are two transactions; scenarios: what kind of fraud, a name for each row; born and regions: birth date
    (YYYY-MM-DD) and region of each card's holder, "" where unknown; unread: columns that nobody reads.
    """

    attempts: np.ndarray
    cards: Sequence[str]
    verdicts: np.ndarray | None
    known_s: np.ndarray | None = None
    is_settled: bool = True
    has_ids: bool = False
    scenarios: np.ndarray | None = None
    born: Sequence[str] = ()
    regions: Sequence[str] = ()
    unread: Sequence[str] = ()
