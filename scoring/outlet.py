"""
Who sells, as a request names them: acquirer, merchant and terminal of histories that know a name and no more.

`holdfast replay` sends these, and training digests them as the server does: so a row of a file is the same
attempt either way.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from scoring.attempt import hash_merchant, terminal_digest

ACQUIRER_ID: Final = "999001"
"""DE32 of every row of a public history."""


class Outlet(NamedTuple):
    """A merchant with its one terminal: its name (DE43), its id (DE42), the terminal's id (DE41)."""

    name: str
    merchant_id: str
    terminal_id: str


def outlet(name: str, terminal_id: str | None = None) -> Outlet:
    """The outlet of this name, its ids derived from it."""
    digest = hashlib.blake2b(name.encode(), digest_size=7).hexdigest()
    return Outlet(name, digest, digest[:8] if terminal_id is None else terminal_id)


def handbook_outlet(terminal: str) -> Outlet:
    """A terminal of the Handbook, which is a merchant of its own."""
    return outlet(f"Terminal {terminal}", terminal.rjust(8, "0")[-8:])


def digests(outlets: Sequence[Outlet]) -> tuple[np.ndarray, np.ndarray]:
    """An ATTEMPT's `merchant` and `terminal` for each outlet: u8 both."""
    merchants = np.array(
        [hash_merchant(ACQUIRER_ID.encode(), place.merchant_id.encode()) for place in outlets], np.uint64
    )
    terminals = np.array(
        [
            terminal_digest(merchant, terminal_bytes(place.terminal_id.encode()))
            for merchant, place in zip(merchants, outlets, strict=True)
        ],
        np.uint64,
    )
    return merchants, terminals


def terminal_bytes(terminal_id: bytes) -> np.ndarray:
    """DE41 as u1[8], zeros behind; the first eight bytes where there are more."""
    return np.frombuffer(terminal_id[:8].ljust(8, b"\0"), np.uint8)
