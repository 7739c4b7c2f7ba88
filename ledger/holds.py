"""
The life of a hold. Arrays in, arrays out; no clock, no ledger.

A hold is pending from the cardholder's account to settlement, or the other way where money comes in. It is a list of
parts, one for each message that left something pending: here they are placed, released and fenced; what resolves
several at once is in `chains`. All transfers of one authorization carry its id in `user_data_128`; their own ids are
the id of the message that makes them, with the leg and the attempt in its low byte, so that any process after any
crash makes the same ids. An authorization's own message has its id.

        authorize                                                                 advise (approved)
            |                                                                  also beyond the balance:
            +-- the ledger refuses, or we do --> DECLINED -----------------------> what is not there, as owed
            |                                                                           |
            +-- place --> OPEN <--------------------------------------------------------+
                           |  increment: one more part (REGROW: all in one); refused, the others stay
                           |  reverse in part: RELEASE, the rest held again
                           |  clear, more to follow: CAPTURE, the rest held again
                           |
                           +-- clear, the last, or all of it: CAPTURE -------> CLEARED
                           +-- reverse, advise (declined): RELEASE ----------> REVERSED (CLEARED where some was)
                           +-- the core's clock, or the ledger's own --------> EXPIRED

        reverse, of what nobody has seen --> AHEAD: the late authorization is declined without a hold

Whatever state it is in, and where there is none, a clearing is posted (FORCE), and a refund is booked (CREDIT).

One part, between us and the ledger:

    place ... funds ---------> HELD ---- post, void ----> resolved, once
          ... no funds ------> INSUFFICIENT (its id burns)
          ... no answer -----> unknown ---- fence ------> BURNT: never held, never will be; or HELD: it had arrived

A partial hold takes what is there (balancing debit); with nothing there the ledger creates it with
amount 0, which the caller reads back (`held_minor`), answers as insufficient, and releases.
"""

from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from ledger.chart import HOUSE, AccountCode, TransferCode, id_high
from ledger.transfer import (
    TRANSFER,
    CreateTransferStatus,
    Ids,
    Results,
    TransferFlags,
    Transfers,
    ids_of,
)

Minor: TypeAlias = NDArray[np.int64]

DAY_S = 86_400
EXPIRY_S = 7 * DAY_S
EXPIRY_TRAVEL_S = 30 * DAY_S
# The core expires a hold itself at its hour; the ledger's own timeout comes a day later, should the core be gone.
BACKSTOP_S = DAY_S

ATTEMPT_MAX = 15

_HOLD = np.uint16(TransferFlags.PENDING)
_PARTIAL_HOLD = np.uint16(TransferFlags.PENDING | TransferFlags.BALANCING_DEBIT)


class Leg(IntEnum):
    """Which transfer of an authorization this is; the high half of its id's low byte."""

    HOLD = 1
    RELEASE = 2


HOLD_BYTE = int(Leg.HOLD) << 4
"""The low byte of a hold's id at its first attempt."""

STALE_STATUSES = frozenset(
    {
        CreateTransferStatus.PENDING_TRANSFER_ALREADY_VOIDED,
        CreateTransferStatus.PENDING_TRANSFER_ALREADY_POSTED,
        CreateTransferStatus.PENDING_TRANSFER_EXPIRED,
        CreateTransferStatus.PENDING_TRANSFER_NOT_FOUND,
    }
)
"""What resolves a pending transfer that is none any more."""

BURNT_STATUSES = frozenset({CreateTransferStatus.ID_ALREADY_FAILED})
"""An id that failed before, and never succeeds."""


class HoldOutcome(IntEnum):
    """What the ledger answered to a hold."""

    HELD = 0
    INSUFFICIENT = 1  # the balance doesn't cover it
    ALREADY_HELD = 2  # a repeat of a hold that is there
    BURNT = 3  # a repeat of one refused for funds, or one that was fenced
    REFUSED = 4  # anything else: the account is closed, unknown, or our own mistake


class ReleaseOutcome(IntEnum):
    """What the ledger answered to a release."""

    RELEASED = 0
    ALREADY_RELEASED = 1  # by this very transfer, or by another
    CAPTURED = 2
    EXPIRED = 3
    NOT_FOUND = 4  # there is no such hold; the release's own id is burnt
    REFUSED = 5


class FenceOutcome(IntEnum):
    """What the ledger answered to a fence."""

    FENCED = 0  # the hold never arrived, and can't any more
    HELD = 1  # the hold is there: release it, or record its approval
    REFUSED = 2


def _table(named: dict[CreateTransferStatus, IntEnum], otherwise: IntEnum) -> NDArray[np.uint8]:
    table = np.full(max(s for s in CreateTransferStatus if s != CreateTransferStatus.CREATED) + 2, otherwise)
    for status, outcome in named.items():
        table[min(status, len(table) - 1)] = outcome
    return table.astype(np.uint8)


HOLD_OUTCOMES = _table(
    {
        CreateTransferStatus.CREATED: HoldOutcome.HELD,
        CreateTransferStatus.EXCEEDS_CREDITS: HoldOutcome.INSUFFICIENT,
        CreateTransferStatus.EXISTS: HoldOutcome.ALREADY_HELD,
        CreateTransferStatus.ID_ALREADY_FAILED: HoldOutcome.BURNT,
    },
    HoldOutcome.REFUSED,
)
"""HoldOutcome by status, as far as one is told from others; what lies beyond is the last."""

_RELEASE_OUTCOMES = _table(
    {
        CreateTransferStatus.CREATED: ReleaseOutcome.RELEASED,
        CreateTransferStatus.EXISTS: ReleaseOutcome.ALREADY_RELEASED,
        CreateTransferStatus.PENDING_TRANSFER_ALREADY_VOIDED: ReleaseOutcome.ALREADY_RELEASED,
        CreateTransferStatus.PENDING_TRANSFER_ALREADY_POSTED: ReleaseOutcome.CAPTURED,
        CreateTransferStatus.PENDING_TRANSFER_EXPIRED: ReleaseOutcome.EXPIRED,
        CreateTransferStatus.PENDING_TRANSFER_NOT_FOUND: ReleaseOutcome.NOT_FOUND,
        CreateTransferStatus.ID_ALREADY_FAILED: ReleaseOutcome.NOT_FOUND,
    },
    ReleaseOutcome.REFUSED,
)
_FENCE_OUTCOMES = _table(
    {
        CreateTransferStatus.DEBIT_ACCOUNT_NOT_FOUND: FenceOutcome.FENCED,
        CreateTransferStatus.ID_ALREADY_FAILED: FenceOutcome.FENCED,
        CreateTransferStatus.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID: FenceOutcome.HELD,
    },
    FenceOutcome.REFUSED,
)


def leg_id(authorization_ids: Ids, leg: Leg, attempts: ArrayLike = 0) -> Ids:
    """
    The transfer ids, (n, 2), of one leg of these authorizations; the low byte of theirs is zero.

    `attempts` is one for all, or one for each.
    """
    tried = np.asarray(attempts, np.uint64)
    assert (tried <= ATTEMPT_MAX).all()
    assert not (authorization_ids[:, 0] & np.uint64(0xFF)).any()
    ids = authorization_ids.copy()
    ids[:, 0] |= np.uint64(leg << 4) | tried
    return ids


def place(
    authorization_ids: Ids,
    account_numbers: NDArray[np.uint64],
    currency_numbers: ArrayLike,
    amounts_minor: Minor,
    timeouts_s: ArrayLike,
    partial: ArrayLike,
    attempt: ArrayLike = 0,
    *,
    message_ids: Ids | None = None,
) -> Transfers:
    """
    The holds of n authorizations: pending, cardholder to settlement.

    `timeouts_s` are the ledger's (`timeout_s`); where `partial` is true, less than the amount may be held.
    `message_ids` are of the messages that ask for it, where those are about authorizations, and have ids of their own.
    """
    assert (amounts_minor >= 0).all()
    ids = leg_id(authorization_ids if message_ids is None else message_ids, Leg.HOLD, attempt)
    holds = np.zeros(len(ids), TRANSFER)
    holds["id_lo"], holds["id_hi"] = ids[:, 0], ids[:, 1]
    holds["debit_account_id_lo"] = account_numbers
    holds["debit_account_id_hi"] = id_high(AccountCode.CARDHOLDER, currency_numbers)
    holds["credit_account_id_lo"] = HOUSE
    holds["credit_account_id_hi"] = id_high(AccountCode.SETTLEMENT, currency_numbers)
    holds["amount_lo"] = amounts_minor
    holds["user_data_128_lo"], holds["user_data_128_hi"] = authorization_ids[:, 0], authorization_ids[:, 1]
    holds["timeout"] = timeouts_s
    holds["ledger"] = currency_numbers
    holds["code"] = TransferCode.HOLD
    holds["flags"] = np.where(partial, _PARTIAL_HOLD, _HOLD)
    return holds


def release(
    authorization_ids: Ids, hold_attempts: ArrayLike = 0, attempt: ArrayLike | None = None
) -> Transfers:
    """
    The voids of these authorizations' holds, by the attempts that hold (one for all, or one for each).

    A void's own attempt is its hold's unless given. Only for holds known to exist: a void that overtakes its
    hold burns itself, and the hold stays; where that is not known, `fence` first.
    """
    ids = leg_id(authorization_ids, Leg.RELEASE, hold_attempts if attempt is None else attempt)
    pending = leg_id(authorization_ids, Leg.HOLD, hold_attempts)
    voids = np.zeros(len(ids), TRANSFER)
    voids["id_lo"], voids["id_hi"] = ids[:, 0], ids[:, 1]
    voids["pending_id_lo"], voids["pending_id_hi"] = pending[:, 0], pending[:, 1]
    voids["user_data_128_lo"], voids["user_data_128_hi"] = authorization_ids[:, 0], authorization_ids[:, 1]
    voids["flags"] = TransferFlags.VOID_PENDING_TRANSFER
    return voids


def place_credit(placed: Transfers) -> Transfers:
    """The same holds in the other direction: money that comes in, pending until it is cleared."""
    turned = placed.copy()
    for half in ("lo", "hi"):
        turned[f"debit_account_id_{half}"] = placed[f"credit_account_id_{half}"]
        turned[f"credit_account_id_{half}"] = placed[f"debit_account_id_{half}"]
    turned["flags"] = TransferFlags.PENDING
    return turned


def fence(placed: Transfers) -> Transfers:
    """
    The same holds from an account that can't exist: refused, they burn their ids, so that the late
    originals can't be held; and where an original is there, the answer says so.
    """
    fences = placed.copy()
    # No account of the chart has a zero high half.
    fences["debit_account_id_lo"], fences["debit_account_id_hi"] = 1, 0
    return fences


def _look_up(table: NDArray[np.uint8], results: Results) -> NDArray[np.uint8]:
    return table[np.minimum(results["status"], len(table) - 1)]


def outcomes(results: Results) -> NDArray[np.uint8]:
    """The HoldOutcome of each result of `place`."""
    return _look_up(HOLD_OUTCOMES, results)


def release_outcomes(results: Results) -> NDArray[np.uint8]:
    """The ReleaseOutcome of each result of `release`."""
    return _look_up(_RELEASE_OUTCOMES, results)


def fence_outcomes(results: Results) -> NDArray[np.uint8]:
    """The FenceOutcome of each result of `fence`."""
    return _look_up(_FENCE_OUTCOMES, results)


def expiry_s(category_codes: ArrayLike) -> Minor:
    """
    How long a hold lives by merchant category (ISO 18245): 30 days for vehicle rental (3351-3441,
    7512, 7513), lodging (3501-3999, 7011) and cruises (4411), else 7.
    """
    mcc = np.asarray(category_codes, np.int64)
    travel = (
        ((mcc >= 3351) & (mcc <= 3441))
        | ((mcc >= 3501) & (mcc <= 3999))
        | np.isin(mcc, (4411, 7011, 7512, 7513))
    )
    return np.where(travel, EXPIRY_TRAVEL_S, EXPIRY_S)


def timeout_s(category_codes: ArrayLike) -> Minor:
    """The ledger's own timeout for a hold by merchant category: `expiry_s` and a day."""
    return expiry_s(category_codes) + BACKSTOP_S


def held_minor(hold_ids: Ids, found: Transfers) -> Minor:
    """What is held under each id, from what `lookup_transfers` found of them, in its order; else -1."""
    held = np.full(len(hold_ids), -1, np.int64)
    _match(hold_ids, ids_of(found), found["amount_lo"].astype(np.int64), held)
    return held


@njit(cache=True, nogil=True)
def _match(asked: Ids, found: Ids, found_amounts: Minor, amounts: Minor) -> None:
    j = 0
    for i in range(len(asked)):
        if j < len(found) and asked[i, 0] == found[j, 0] and asked[i, 1] == found[j, 1]:
            amounts[i] = found_amounts[j]
            j += 1
