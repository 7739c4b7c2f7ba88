"""
What becomes of a hold: moves on its parts, each one linked chain that the ledger takes whole or not at all.

A live hold is a list of parts, oldest first: what each message about it left pending. The transfers that a message
makes carry its own id, with the leg and the attempt in the low byte, and the authorization's id in `user_data_128`;
so a chain has no end, and any process after any crash makes the same ids.

    low byte   transfer
    0x1a       what is held again, as a hold's own; 0x3a the same of what is owed
    0x4a       excess, or what is taken for repayment; 0x5a overdrawn; 0x6a owed; 0x7a credit
    0x80       posts a part, 0x90 voids one: the part twice in the low bits, plus one for what is owed of it

`a` is the attempt. What resolves a part has none: whatever attempt carried a move out, a redo after a crash meets its
transfers, and can't resolve, or pay, a second time.

    kind      posts                voids            holds again   and besides
    RELEASE   -                    all parts        the rest      -
    REGROW    -                    all parts        more          - (fails whole where the balance does not cover it)
    CAPTURE   parts, oldest first  what is left     the rest      what goes beyond the parts, as FORCE does
    FORCE     -                    -                -             control pays settlement; the cardholder pays control
                                                                  out of the balance, and owes it the rest
    CREDIT    -                    -                -             settlement pays the cardholder; what is owed comes first

The control account is zero before and after every chain. What an advice held beyond the balance is pending on the
receivable account, and is captured last.
"""

from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.chart import HOUSE, AccountCode, TransferCode
from ledger.holds import ATTEMPT_MAX, BURNT_STATUSES, HOLD_BYTE, STALE_STATUSES
from ledger.transfer import TRANSFER, CreateTransferStatus, Ids, Results, TransferFlags, Transfers, ids_of

PARTS_MAX: Final = 8
MOVE_ATTEMPTS: Final = ATTEMPT_MAX + 1
"""More than a move has parts: each attempt may find one of them stale."""

PART: Final = np.dtype(
    [
        ("message_id", "<u8", (2,)),  # whose pending transfers they are
        ("held_minor", "<i8"),  # cardholder to settlement; of a credit settlement to cardholder
        ("owed_minor", "<i8"),  # receivable to settlement: an advice beyond the balance
        ("attempt", "u1"),
        ("credit", "u1"),
        ("padding", "u1", (6,)),
    ]
)
MOVE: Final = np.dtype(
    [
        ("message_id", "<u8", (2,)),  # low byte zero
        ("authorization_id", "<u8", (2,)),
        ("account_number", "<u8"),
        ("amount_minor", "<i8"),  # to capture, force or credit
        ("rest_minor", "<i8"),  # to be held afterwards
        ("currency", "<u4"),
        ("timeout_s", "<u4"),  # of what is held again
        ("first_part", "<u4"),
        ("parts", "<u4"),
        ("kind", "u1"),  # Kind
        ("attempt", "u1"),
        ("closed", "u1"),  # the cardholder's account takes nothing any more
        ("owes", "u1"),  # there may be something to repay out of what comes in
        ("padding", "u1", (4,)),
    ]
)
Moves: TypeAlias = NDArray[Any]  # of MOVE
Parts: TypeAlias = NDArray[Any]  # of PART


class Kind(IntEnum):
    """See the table above."""

    RELEASE = 1
    CAPTURE = 2
    FORCE = 3
    CREDIT = 4
    REGROW = 5


class MoveOutcome(IntEnum):
    """What the ledger answered to a move."""

    DONE = 0
    DONE_BEFORE = 1  # by this very message, a crash had taken the answer: `recall` what it did
    STALE = 2  # a part is no longer pending: the next attempt goes without it
    BURNT = 3  # an id failed before: the next attempt has others, or goes without a part
    CLOSED = 4  # the cardholder's account is closed: the next attempt goes round it
    INSUFFICIENT = 5
    REFUSED = 6


_OWED_HOLD: Final = 0x30
_EXCESS: Final = 0x40
_OVERDRAWN: Final = 0x50
_OWED: Final = 0x60
_CREDIT: Final = 0x70
_RESOLVE_POST: Final = 0x80
_RESOLVE_VOID: Final = 0x90
_TRIED: Final = (HOLD_BYTE, _OWED_HOLD, _EXCESS, _OVERDRAWN, _OWED, _CREDIT)

# All parts resolved on both sides, the rest held again on both, and the three legs of a force or four of a credit.
_TRANSFERS_MAX: Final = 2 * PARTS_MAX + 2 + 4

assert 2 * PARTS_MAX <= 0x10, "what resolves a part has four bits for which"
assert PARTS_MAX < MOVE_ATTEMPTS, "every part of a move may be stale, one found at each attempt"
assert len({*_TRIED, _RESOLVE_POST, _RESOLVE_VOID, 0x20}) == len(_TRIED) + 3, (
    "ids are unique, also beside releases"
)

_CARDHOLDER: Final = int(AccountCode.CARDHOLDER)
_SETTLEMENT: Final = int(AccountCode.SETTLEMENT)
_RECEIVABLE: Final = int(AccountCode.RECEIVABLE)
_CONTROL: Final = int(AccountCode.CONTROL)
_SUSPENSE: Final = int(AccountCode.SUSPENSE)
_CODE_HOLD: Final = int(TransferCode.HOLD)
_CODE_EXCESS: Final = int(TransferCode.EXCESS)
_CODE_OVERDRAWN: Final = int(TransferCode.OVERDRAWN)
_CODE_CREDIT: Final = int(TransferCode.CREDIT)
_CODE_REPAYMENT: Final = int(TransferCode.REPAYMENT)
_LINKED: Final = int(TransferFlags.LINKED)
_PENDING: Final = int(TransferFlags.PENDING)
_POST: Final = int(TransferFlags.POST_PENDING_TRANSFER)
_VOID: Final = int(TransferFlags.VOID_PENDING_TRANSFER)
_BALANCING_DEBIT: Final = int(TransferFlags.BALANCING_DEBIT)
_BALANCING_CREDIT: Final = int(TransferFlags.BALANCING_CREDIT)
_KIND_CAPTURE: Final = int(Kind.CAPTURE)
_KIND_FORCE: Final = int(Kind.FORCE)
_KIND_CREDIT: Final = int(Kind.CREDIT)
_KIND_REGROW: Final = int(Kind.REGROW)


@njit(cache=True, nogil=True)
def _begin(transfer: Any, move: Any, low_byte: int) -> None:
    """The next transfer of a move, linked to the one after it."""
    transfer["id_lo"] = move["message_id"][0] | np.uint64(low_byte)
    transfer["id_hi"] = move["message_id"][1]
    transfer["user_data_128_lo"] = move["authorization_id"][0]
    transfer["user_data_128_hi"] = move["authorization_id"][1]
    transfer["flags"] = _LINKED


@njit(cache=True, nogil=True)
def _resolve(
    transfers: Any, count: int, move: Any, part: Any, place: int, is_owed: bool, amount_minor: int
) -> None:
    """Post so much of what a part has pending, or void it where that is nothing."""
    at = 2 * place + (1 if is_owed else 0)
    transfer = transfers[count]
    _begin(transfer, move, (_RESOLVE_POST if amount_minor > 0 else _RESOLVE_VOID) | at)
    leg = _OWED_HOLD if is_owed else HOLD_BYTE
    transfer["pending_id_lo"] = part["message_id"][0] | np.uint64(leg | np.int64(part["attempt"]))
    transfer["pending_id_hi"] = part["message_id"][1]
    transfer["amount_lo"] = amount_minor
    transfer["flags"] = _LINKED | (_POST if amount_minor > 0 else _VOID)


@njit(cache=True, nogil=True)
def _pay(
    transfers: Any,
    count: int,
    move: Any,
    low_byte: int,
    payer: int,
    payee: int,
    amount_minor: int,
    code: int,
    flags: int,
) -> None:
    """A transfer between two accounts of the chart, by their codes."""
    transfer = transfers[count]
    _begin(transfer, move, low_byte | np.int64(move["attempt"]))
    own = np.uint64(move["account_number"])
    house = np.uint64(HOUSE)
    transfer["debit_account_id_lo"] = own if payer in (_CARDHOLDER, _RECEIVABLE) else house
    transfer["debit_account_id_hi"] = np.uint64(payer) << np.uint64(32) | np.uint64(move["currency"])
    transfer["credit_account_id_lo"] = own if payee in (_CARDHOLDER, _RECEIVABLE) else house
    transfer["credit_account_id_hi"] = np.uint64(payee) << np.uint64(32) | np.uint64(move["currency"])
    transfer["amount_lo"] = amount_minor
    transfer["ledger"] = move["currency"]
    transfer["code"] = code
    transfer["flags"] = _LINKED | flags


@njit(cache=True, nogil=True)
def _force(transfers: Any, count: int, move: Any, amount_minor: int) -> int:
    """Settlement gets its money whatever the balance: the cardholder pays what is there, and owes the rest."""
    _pay(transfers, count, move, _EXCESS, _CONTROL, _SETTLEMENT, amount_minor, _CODE_EXCESS, 0)
    count += 1
    if not move["closed"]:
        both = _BALANCING_DEBIT | _BALANCING_CREDIT
        _pay(transfers, count, move, _OVERDRAWN, _CARDHOLDER, _CONTROL, amount_minor, _CODE_OVERDRAWN, both)
        count += 1
    _pay(
        transfers, count, move, _OWED, _RECEIVABLE, _CONTROL, amount_minor, _CODE_OVERDRAWN, _BALANCING_CREDIT
    )
    return count + 1


@njit(cache=True, nogil=True)
def _credit(transfers: Any, count: int, move: Any, amount_minor: int) -> int:
    """Money comes in; where the account is closed, nobody can claim what is left of it after what is owed."""
    if not move["closed"]:
        _pay(transfers, count, move, _CREDIT, _SETTLEMENT, _CARDHOLDER, amount_minor, _CODE_CREDIT, 0)
        return count + 1
    _pay(transfers, count, move, _CREDIT, _SETTLEMENT, _CONTROL, amount_minor, _CODE_CREDIT, 0)
    return _share_out(transfers, count + 1, move, amount_minor, _SUSPENSE)


@njit(cache=True, nogil=True)
def _repay(transfers: Any, count: int, move: Any, amount_minor: int) -> int:
    """Out of what has come in, what is owed is paid first."""
    _pay(transfers, count, move, _EXCESS, _CARDHOLDER, _CONTROL, amount_minor, _CODE_REPAYMENT, 0)
    return _share_out(transfers, count + 1, move, amount_minor, _CARDHOLDER)


@njit(cache=True, nogil=True)
def _share_out(transfers: Any, count: int, move: Any, amount_minor: int, payee: int) -> int:
    """What control has got goes to what is owed, and the rest to `payee`."""
    if move["owes"]:
        _pay(
            transfers,
            count,
            move,
            _OWED,
            _CONTROL,
            _RECEIVABLE,
            amount_minor,
            _CODE_REPAYMENT,
            _BALANCING_CREDIT,
        )
        count += 1
    _pay(transfers, count, move, _OVERDRAWN, _CONTROL, payee, amount_minor, _CODE_CREDIT, _BALANCING_DEBIT)
    return count + 1


@njit(cache=True, nogil=True)
def _hold_again(
    transfers: Any, count: int, move: Any, held_minor: int, owed_minor: int, is_credit: bool
) -> int:
    """What is left of the hold, pending once more."""
    if held_minor > 0:
        payer, payee = (_SETTLEMENT, _CARDHOLDER) if is_credit else (_CARDHOLDER, _SETTLEMENT)
        _pay(transfers, count, move, HOLD_BYTE, payer, payee, held_minor, _CODE_HOLD, _PENDING)
        transfers[count]["timeout"] = move["timeout_s"]
        count += 1
    if owed_minor > 0:
        _pay(transfers, count, move, _OWED_HOLD, _RECEIVABLE, _SETTLEMENT, owed_minor, _CODE_HOLD, _PENDING)
        transfers[count]["timeout"] = move["timeout_s"]
        count += 1
    return count


@njit(cache=True, nogil=True)
def sums_of(parts: Any, first: int, last: int) -> tuple[int, int]:
    """What the parts have pending on the cardholder's account, and as owed."""
    held = 0
    owed = 0
    for k in range(first, last):
        held += parts[k]["held_minor"]
        owed += parts[k]["owed_minor"]
    return held, owed


@njit(cache=True, nogil=True)
def rest_of(
    kind: int, amount_minor: int, rest_minor: int, held_minor: int, owed_minor: int
) -> tuple[int, int]:
    """
    How the rest of a move is held: on the cardholder's account as far as that is freed, and as owed.

    Less than the rest where parts were stale: what the ledger let go is not held again, but by what makes it grow.
    """
    if kind == _KIND_REGROW:
        return rest_minor - owed_minor, owed_minor
    taken = amount_minor if kind == _KIND_CAPTURE else 0
    again = min(rest_minor, max(0, held_minor - taken))
    owed_left = min(owed_minor, max(0, held_minor + owed_minor - taken))
    return again, min(rest_minor - again, owed_left)


@njit(cache=True, nogil=True)
def _chains(moves: Any, parts: Any, transfers: Any, ends: Any, part_of: Any) -> None:
    count = 0
    for i in range(len(moves)):
        move = moves[i]
        kind = move["kind"]
        if kind == _KIND_FORCE:
            count = _force(transfers, count, move, move["amount_minor"])
        elif kind == _KIND_CREDIT:
            count = _credit(transfers, count, move, move["amount_minor"])
            if move["owes"] and not move["closed"]:
                count = _repay(transfers, count, move, move["amount_minor"])
        else:
            first, last = np.int64(move["first_part"]), np.int64(move["first_part"]) + np.int64(move["parts"])
            held, owed = sums_of(parts, first, last)
            is_credit = last > first and parts[first]["credit"] != 0
            left = move["amount_minor"] if kind == _KIND_CAPTURE else 0
            for is_owed in (False, True):
                for k in range(first, last):
                    pending = parts[k]["owed_minor"] if is_owed else parts[k]["held_minor"]
                    if pending == 0:
                        continue
                    amount = min(left, pending)
                    left -= amount
                    part_of[count] = k
                    _resolve(transfers, count, move, parts[k], k - first, is_owed, amount)
                    count += 1
            again, owed_again = rest_of(kind, move["amount_minor"], move["rest_minor"], held, owed)
            count = _hold_again(transfers, count, move, again, owed_again, is_credit)
            if is_credit:
                if left > 0:
                    count = _credit(transfers, count, move, left)
                if kind == _KIND_CAPTURE and move["owes"] and not move["closed"]:
                    count = _repay(transfers, count, move, move["amount_minor"])
            elif left > 0:
                count = _force(transfers, count, move, left)
        if count > (ends[i] if i else 0):
            transfers[count - 1]["flags"] &= ~np.uint16(_LINKED)
        ends[i + 1] = count


def carry(moves: Moves, parts: Parts) -> tuple[Transfers, NDArray[np.int64], NDArray[np.int64]]:
    """
    The chains of MOVE[n] on their PARTs: transfers, where each chain begins and ends (i8[n+1]), and which of the parts
    a transfer resolves (i8[m], -1 for none).

    A move whose parts are all gone (zero), and that asks for nothing else, has no transfers.
    """
    assert (moves["parts"] <= PARTS_MAX).all() and (moves["attempt"] < MOVE_ATTEMPTS).all()
    transfers = np.zeros(len(moves) * _TRANSFERS_MAX, TRANSFER)
    ends = np.zeros(len(moves) + 1, np.int64)
    part_of = np.full(len(transfers), -1, np.int64)
    _chains(moves, parts, transfers, ends, part_of)
    return transfers[: ends[-1]], ends, part_of[: ends[-1]]


_OUTCOMES: Final = {
    **dict.fromkeys(STALE_STATUSES, MoveOutcome.STALE),
    **dict.fromkeys(BURNT_STATUSES, MoveOutcome.BURNT),
    CreateTransferStatus.EXISTS: MoveOutcome.DONE_BEFORE,
    # Its own, from an attempt that had gone without a part (its chain may have ended there), or round a closed account.
    CreateTransferStatus.EXISTS_WITH_DIFFERENT_FLAGS: MoveOutcome.DONE_BEFORE,
    CreateTransferStatus.EXISTS_WITH_DIFFERENT_AMOUNT: MoveOutcome.DONE_BEFORE,
    CreateTransferStatus.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID: MoveOutcome.DONE_BEFORE,
    CreateTransferStatus.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID: MoveOutcome.DONE_BEFORE,
    CreateTransferStatus.EXCEEDS_CREDITS: MoveOutcome.INSUFFICIENT,
    CreateTransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED: MoveOutcome.CLOSED,
    CreateTransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED: MoveOutcome.CLOSED,
}
# A part that was once not found has burnt what would resolve it.
_PART_GONE: Final = list(STALE_STATUSES | BURNT_STATUSES)


def carried(ends: NDArray[np.int64], results: Results) -> NDArray[np.uint8]:
    """The MoveOutcome of each chain, from the results of its transfers: that of the one which broke it."""
    outcomes = np.full(len(ends) - 1, MoveOutcome.DONE, np.uint8)
    failed = np.flatnonzero(
        (results["status"] != CreateTransferStatus.CREATED)
        & (results["status"] != CreateTransferStatus.LINKED_EVENT_FAILED)
    )
    chain_of = np.searchsorted(ends, failed, side="right") - 1
    for chain, status in zip(chain_of.tolist(), results["status"][failed].tolist(), strict=True):
        outcomes[chain] = _OUTCOMES.get(CreateTransferStatus(status), MoveOutcome.REFUSED)
    return outcomes


def stale_parts(part_of: NDArray[np.int64], results: Results) -> NDArray[np.int64]:
    """Which parts the results say are no longer pending."""
    return part_of[np.isin(results["status"], _PART_GONE) & (part_of >= 0)]


def owed_ids(moves: Moves) -> Ids:
    """The ids (n, 2) of the transfers that say what each move left its cardholder owing."""
    ids: Ids = moves["message_id"].copy()
    ids[:, 0] |= np.uint64(_OWED) | moves["attempt"].astype(np.uint64)
    return ids


def overdrawn_minor(moves: Moves, parts: Parts, found: Transfers) -> NDArray[np.int64]:
    """
    What each move left its cardholder owing, i8[n]: what was owed and is now posted, and what `owed_ids` found.

    `found` is what `lookup_transfers` says of those ids, in their order.
    """
    overdrawn = np.zeros(len(moves), np.int64)
    _sum_overdrawn(
        moves, parts, owed_ids(moves), ids_of(found), found["amount_lo"].astype(np.int64), overdrawn
    )
    return overdrawn


@njit(cache=True, nogil=True)
def _sum_overdrawn(
    moves: Any, parts: Any, asked: Any, found: Any, found_minor: Any, overdrawn_minor: Any
) -> None:
    j = 0
    for i in range(len(moves)):
        move = moves[i]
        amount = 0
        if j < len(found) and asked[i, 0] == found[j, 0] and asked[i, 1] == found[j, 1]:
            amount = found_minor[j]
            j += 1
        first, last = np.int64(move["first_part"]), np.int64(move["first_part"]) + np.int64(move["parts"])
        is_credit = last > first and parts[first]["credit"] != 0
        if is_credit or (move["kind"] != _KIND_CAPTURE and move["kind"] != _KIND_FORCE):
            continue
        held, owed = sums_of(parts, first, last)
        overdrawn_minor[i] = min(max(move["amount_minor"] - held, 0), owed) + amount


def traces(moves: Moves) -> Ids:
    """All ids, (128 n, 2), that transfers of n moves can have: for `recall`, where a move was DONE_BEFORE."""
    low_bytes = [leg | attempt for leg in _TRIED for attempt in range(MOVE_ATTEMPTS)]
    low_bytes += [leg | at for leg in (_RESOLVE_POST, _RESOLVE_VOID) for at in range(0x10)]
    ids: Ids = np.repeat(moves["message_id"], len(low_bytes), axis=0)
    ids[:, 0] |= np.tile(np.array(low_bytes, np.uint64), len(moves))
    return ids


def recall(moves: Moves, parts: Parts, found: Transfers) -> None:
    """
    Make of moves that were DONE_BEFORE what they were when they were done, from what the ledger has of `traces`.

    `moves` get the attempt that did it; parts that it went without are zero.
    """
    attempts: dict[tuple[int, int], int] = {}
    resolved: dict[tuple[int, int], int] = {}
    for lo, hi in ids_of(found).tolist():
        message, low_byte = (lo & ~0xFF, hi), lo & 0xFF
        if low_byte >= _RESOLVE_POST:
            resolved[message] = resolved.get(message, 0) | 1 << (low_byte & 0xF) // 2
        else:
            attempts[message] = low_byte & ATTEMPT_MAX
    for i, pair in enumerate(moves["message_id"].tolist()):
        message = tuple(pair)
        moves["attempt"][i] = attempts.get(message, 0)
        first, mask = int(moves["first_part"][i]), resolved.get(message, 0)
        gone = [first + k for k in range(int(moves["parts"][i])) if not mask >> k & 1]
        parts["held_minor"][gone] = 0
        parts["owed_minor"][gone] = 0


def owed_hold(placed: Transfers, owed_minor: NDArray[np.int64]) -> Transfers:
    """Of advices that the balance does not cover: beside each hold of `holds.place`, the rest pending as owed."""
    owed = placed.copy()
    owed["id_lo"] = (placed["id_lo"] & ~np.uint64(0xF0)) | np.uint64(_OWED_HOLD)
    owed["debit_account_id_hi"] = np.uint64(_RECEIVABLE << 32) | placed["ledger"]
    owed["amount_lo"] = owed_minor
    owed["flags"] = TransferFlags.PENDING
    return owed


def warm_up() -> None:
    """Compile, or load from the cache, the kernel of chains."""
    for count in (1, 2):
        moves = np.zeros(count, MOVE)
        moves["kind"] = Kind.FORCE
        parts = np.zeros(count, PART)
        carry(moves, parts)
        overdrawn_minor(moves, parts, np.zeros(count, TRANSFER))
