"""
Controls: what is wrong with the message, with the card, and with where it is used.

One kernel goes through the batch, copies the card's facts into the intent (so that the journal alone can explain the
answer), and notes each check that fails. It decides nothing: `policy` does. The tables of programmes, control sets,
limit sets and rules are compiled from the directory whenever it says that they changed.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.holds import expiry_s
from server.core.block_lists import BlockKind, list_checks
from server.core.calendar import local_s, month_of, zone_table
from server.core.directory import (
    AccountState,
    CardFlag,
    CardState,
    Channel,
    ControlSet,
    Directory,
    Programme,
)
from server.core.names import Names
from server.core.policy import Check
from server.core.rates import NO_RATE, RATE, convert
from server.core.record import (
    CREDITING,
    HOLDING,
    INQUIRING,
    NO_ROW,
    CheckResult,
    EntryMode,
    TransactionType,
)
from server.core.rules import Rules
from server.core.stand_in import CATEGORY_WORDS, STAND_IN, bits_of, stand_in_table

_COUNTRY_WORDS: Final = 16  # 1,000 bits
PROGRAMME: Final = np.dtype(
    [
        ("decline_threshold", "<f4"),
        ("step_up_threshold", "<f4"),
        ("zone_first", "<i8"),  # its rows in the zone arrays
        ("zone_last", "<i8"),
        ("limits", "<u4"),  # the limit set of cards without overrides
        ("currency", "<u2"),
        ("country", "<u2"),
        ("version", "<u2"),
        ("types_never", "<u2"),
        ("channels", "u1"),
        ("step_up_else_decline", "u1"),
        ("unscored_decline", "u1"),
        ("posture", "u1"),  # Posture
        ("known", "u1"),
    ]
)

CONTROLS: Final = np.dtype(
    [
        ("categories_off", "<u8", (CATEGORY_WORDS,)),
        ("countries_off", "<u8", (_COUNTRY_WORDS,)),
        ("lock_first", "<i8"),  # its rows in the array of allowed merchants
        ("lock_last", "<i8"),
        ("hours", "<u4"),
        ("types_never", "<u2"),
        ("channels_on", "u1"),
        ("channels_off", "u1"),
        ("locked", "u1"),
    ]
)

_CARD_CHECKS: Final = np.zeros(max(CardState) + 1, np.int64)
for _state, _check in (
    (CardState.INACTIVE, Check.CARD_INACTIVE),
    (CardState.FROZEN, Check.CARD_FROZEN),
    (CardState.LOST, Check.CARD_LOST),
    (CardState.STOLEN, Check.CARD_STOLEN),
    (CardState.CLOSED, Check.CARD_CLOSED),
):
    _CARD_CHECKS[_state] = _check

_ACTIVE: Final = int(CardState.ACTIVE)
_ACCOUNT_OPEN: Final = int(AccountState.OPEN)
_FLAG_BLOCK: Final = int(CardFlag.COMPLIANCE_BLOCK)
_FLAG_KYC: Final = int(CardFlag.KYC_INCOMPLETE)
_FLAG_PEP: Final = int(CardFlag.POLITICALLY_EXPOSED)
_CONTACTLESS: Final = int(Channel.CONTACTLESS)
_ECOMMERCE: Final = int(Channel.ECOMMERCE)
_CASH: Final = int(Channel.CASH)
_INTERNATIONAL: Final = int(Channel.INTERNATIONAL)
_MODE_CHIP: Final = int(EntryMode.CHIP)
_MODE_STRIPE: Final = int(EntryMode.MAGNETIC_STRIPE)
_MODE_CONTACTLESS: Final = int(EntryMode.CONTACTLESS)
_MODE_ECOMMERCE: Final = int(EntryMode.ECOMMERCE)
_MISMATCH: Final = int(CheckResult.MISMATCH)
_TYPE_CASH: Final = int(TransactionType.CASH_WITHDRAWAL)
_TYPE_CASHBACK: Final = int(TransactionType.PURCHASE_CASHBACK)
_CREDIT_CHECKS: Final = sum(
    1 << check
    for check in (
        Check.CARD_CLOSED,
        Check.ACCOUNT_CLOSED,
        Check.COMPLIANCE_BLOCK,
        Check.KYC_INCOMPLETE,
        Check.POLITICALLY_EXPOSED,
    )
)
"""What can stand against money that comes in."""

_AMOUNT_SENSELESS: Final = int(Check.AMOUNT_SENSELESS)
_TRANSACTION_SENSELESS: Final = int(Check.TRANSACTION_SENSELESS)
_CARD_UNKNOWN: Final = int(Check.CARD_UNKNOWN)
_ACCOUNT_CLOSED: Final = int(Check.ACCOUNT_CLOSED)
_COMPLIANCE_BLOCK: Final = int(Check.COMPLIANCE_BLOCK)
_CARD_EXPIRED: Final = int(Check.CARD_EXPIRED)
_EXPIRY_MISMATCH: Final = int(Check.EXPIRY_MISMATCH)
_CRYPTOGRAM_MISMATCH: Final = int(Check.CRYPTOGRAM_MISMATCH)
_CVV2_MISMATCH: Final = int(Check.CVV2_MISMATCH)
_TYPE_NEVER: Final = int(Check.TYPE_NEVER)
_TYPE_NOT_OFFERED: Final = int(Check.TYPE_NOT_OFFERED)
_NOT_CONVERTED: Final = int(Check.CURRENCY_NOT_CONVERTED)
_OFF_CONTACTLESS: Final = int(Check.CHANNEL_CONTACTLESS)
_OFF_ECOMMERCE: Final = int(Check.CHANNEL_ECOMMERCE)
_OFF_CASH: Final = int(Check.CHANNEL_CASH)
_OFF_INTERNATIONAL: Final = int(Check.CHANNEL_INTERNATIONAL)
_OFF_CATEGORY: Final = int(Check.CATEGORY)
_OFF_COUNTRY: Final = int(Check.COUNTRY)
_OFF_HOUR: Final = int(Check.HOUR)
_MERCHANT_LOCK: Final = int(Check.MERCHANT_LOCK)
_KYC_INCOMPLETE: Final = int(Check.KYC_INCOMPLETE)
_POLITICALLY_EXPOSED: Final = int(Check.POLITICALLY_EXPOSED)


@njit(cache=True)
def _expired(expiry_yymm: int, day: int) -> bool:
    """Whether a card good through `expiry_yymm` (years 2000-2099) is past on a local day."""
    return (2000 + expiry_yymm // 100 - 1970) * 12 + expiry_yymm % 100 - 1 < month_of(day)


@njit(cache=True)
def _message_checks(request: Any) -> int:
    """Bits of what is senseless in the message, or not offered."""
    kind = request.transaction_type
    failed = 0
    if ((HOLDING | CREDITING) >> kind) & 1:
        if request.amount_minor == 0:
            failed |= 1 << _AMOUNT_SENSELESS
    elif not (INQUIRING >> kind) & 1:
        failed |= 1 << _TYPE_NOT_OFFERED
    elif request.amount_minor != 0:
        failed |= 1 << _AMOUNT_SENSELESS
    if request.cashback_amount_minor > (request.amount_minor if kind == _TYPE_CASHBACK else 0):
        failed |= 1 << _AMOUNT_SENSELESS
    if (kind in (_TYPE_CASH, _TYPE_CASHBACK)) and request.entry_mode >= _MODE_ECOMMERCE:
        failed |= 1 << _TRANSACTION_SENSELESS
    return failed


@njit(cache=True)
def _billed(request: Any, programme: Any, rates: Any) -> int:
    """What the account is charged: as the sender says, or else converted; NO_RATE where that can't be."""
    if request.currency == programme.currency or request.amount_minor == 0:
        return request.amount_minor
    if request.billing_amount_minor != 0:
        return request.billing_amount_minor
    source, target = np.int64(request.currency), np.int64(programme.currency)
    return convert(request.amount_minor, source, target, request.transmission_s, rates)


@njit(cache=True)
def _card_checks(request: Any, card: Any, day: int) -> int:
    """Bits of what is wrong with the card, its account, its customer, or its verification."""
    failed = 0
    if card.state != _ACTIVE:
        failed |= 1 << _CARD_CHECKS[card.state]
    if card.account_state != _ACCOUNT_OPEN:
        failed |= 1 << _ACCOUNT_CLOSED
    if card.flags & _FLAG_BLOCK:
        failed |= 1 << _COMPLIANCE_BLOCK
    if _expired(card.expiry_yymm, day):
        failed |= 1 << _CARD_EXPIRED
    if request.expiry_yymm != 0 and request.expiry_yymm != card.expiry_yymm:
        failed |= 1 << _EXPIRY_MISMATCH
    if request.card_verification == _MISMATCH:
        if request.entry_mode in (_MODE_CHIP, _MODE_CONTACTLESS, _MODE_STRIPE):
            failed |= 1 << _CRYPTOGRAM_MISMATCH
        else:
            failed |= 1 << _CVV2_MISMATCH
    if card.flags & _FLAG_KYC:
        failed |= 1 << _KYC_INCOMPLETE
    if card.flags & _FLAG_PEP:
        failed |= 1 << _POLITICALLY_EXPOSED
    return failed


@njit(cache=True)
def _use_checks(request: Any, programme: Any, control: Any, local: int, lock_merchants: Any) -> int:
    """Bits of where, when and how the card may not be used."""
    failed = 0
    channels = (programme.channels | control.channels_on) & ~control.channels_off
    if request.entry_mode == _MODE_CONTACTLESS and not channels & _CONTACTLESS:
        failed |= 1 << _OFF_CONTACTLESS
    if request.entry_mode >= _MODE_ECOMMERCE and not channels & _ECOMMERCE:
        failed |= 1 << _OFF_ECOMMERCE
    if request.transaction_type == _TYPE_CASH and not channels & _CASH:
        failed |= 1 << _OFF_CASH
    if request.country != programme.country and not channels & _INTERNATIONAL:
        failed |= 1 << _OFF_INTERNATIONAL
    if (control.categories_off[request.category >> 6] >> np.uint64(request.category & 63)) & np.uint64(1):
        failed |= 1 << _OFF_CATEGORY
    if (control.countries_off[request.country >> 6] >> np.uint64(request.country & 63)) & np.uint64(1):
        failed |= 1 << _OFF_COUNTRY
    if not (control.hours >> ((local % 86_400) // 3600)) & 1:
        failed |= 1 << _OFF_HOUR
    if (programme.types_never | control.types_never) >> request.transaction_type & 1:
        failed |= 1 << _TYPE_NEVER
    if control.locked:
        allowed = False
        for k in range(control.lock_first, control.lock_last):
            allowed = allowed or lock_merchants[k] == request.merchant
        if not allowed:
            failed |= 1 << _MERCHANT_LOCK
    return failed


@njit(cache=True)
def note_card(intent: Any, row: int, card: Any, programme: Any, local: int) -> None:
    """Write a card's facts, at a programme's wall clock, into an INTENT."""
    intent.card_row = row
    intent.account_number = card.account_number
    intent.controls = card.controls
    intent.limit_set = card.limits if card.limits != 0 else programme.limits
    intent.programme = card.programme
    intent.programme_version = programme.version
    intent.posture = programme.posture
    intent.card_expiry_yymm = card.expiry_yymm
    intent.card_state = card.state
    intent.account_state = card.account_state
    intent.card_flags = card.flags
    intent.billing_currency = programme.currency
    intent.day_id = local // 86_400
    intent.month_id = month_of(local // 86_400)


@njit(cache=True)
def check_standing(
    intents: Any,
    rows: Any,
    cards: Any,
    programmes: Any,
    zone_from_s: Any,
    zone_offset_s: Any,
) -> None:
    """
    Fill in the card's facts of INTENT[n], messages about authorizations, whose card rows are `rows` (u4[n]).

    Of the checks only those of the card itself: where and how it is used was judged with the authorization.
    """
    for i in range(len(intents)):
        intent = intents[i]
        intent.card_row = rows[i]
        if rows[i] == NO_ROW:
            continue
        card = cards[rows[i]]
        programme = programmes[card.programme]
        local = local_s(
            zone_from_s[programme.zone_first : programme.zone_last],
            zone_offset_s[programme.zone_first : programme.zone_last],
            intent.request.transmission_s,
        )
        note_card(intent, rows[i], card, programme, local)
        intent.checks_failed |= np.uint64(_card_checks(intent.request, card, local // 86_400))


@njit(cache=True)
def check(
    intents: Any,
    rows: Any,
    cards: Any,
    programmes: Any,
    controls: Any,
    lock_merchants: Any,
    zone_from_s: Any,
    zone_offset_s: Any,
    blocks: Any,
    block_counts: Any,
    hold_s: Any,
    rates: Any,
) -> None:
    """Fill in the card's facts and `checks_failed` of INTENT[n], whose card rows are `rows` (u4[n])."""
    for i in range(len(intents)):
        intent = intents[i]
        request = intent.request
        intent.card_row = rows[i]
        intent.hold_s = hold_s[request.category]
        if rows[i] == NO_ROW:
            intent.checks_failed |= np.uint64(1 << _CARD_UNKNOWN)
            continue
        card = cards[rows[i]]
        programme = programmes[card.programme]
        control = controls[card.controls]
        local = local_s(
            zone_from_s[programme.zone_first : programme.zone_last],
            zone_offset_s[programme.zone_first : programme.zone_last],
            request.transmission_s,
        )
        note_card(intent, rows[i], card, programme, local)
        failed = _message_checks(request)
        billed_minor = _billed(request, programme, rates)
        if billed_minor == NO_RATE:
            failed |= 1 << _NOT_CONVERTED
            billed_minor = 0
        intent.billed_minor = billed_minor
        if (CREDITING >> request.transaction_type) & 1:
            failed |= _card_checks(request, card, local // 86_400) & _CREDIT_CHECKS
            intent.checks_failed |= np.uint64(failed)
            continue
        failed |= _card_checks(request, card, local // 86_400)
        failed |= _use_checks(request, programme, control, local, lock_merchants)
        failed |= list_checks(intent, card, blocks, block_counts)
        intent.checks_failed |= np.uint64(failed)


class Controls:
    """The tables of what cards share, and the stage that reads them."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._revision = (-1, -1)
        self._hold_s = expiry_s(np.arange(10_000)).astype(np.uint32)
        self.programmes: NDArray[Any] = np.zeros(0, PROGRAMME)
        self.stand_in: NDArray[Any] = np.zeros(0, STAND_IN)
        """STAND_IN by the programmes' numbers: what may be approved without the ledger."""
        self.limits = directory.limit_sets.compile({})
        """The limit sets, by the numbers that intents carry."""
        self.rules = Rules()
        self.names = Names()
        self.rates: NDArray[Any] = np.zeros(0, RATE)
        """RATE[n], replaced whole: what an amount in another currency costs."""

    def check(self, intents: NDArray[Any], rows: NDArray[np.uint32]) -> None:
        """Note what fails in a batch of INTENT[n] whose card rows are u4[n]."""
        self._follow()
        check(
            intents,
            rows,
            self._directory.cards,
            self.programmes,
            self._controls,
            self._lock_merchants,
            self._zone_from_s,
            self._zone_offset_s,
            self._directory.blocks.lines,
            self._directory.blocks.counts,
            self._hold_s,
            self.rates,
        )

    def check_standing(self, intents: NDArray[Any], rows: NDArray[np.uint32]) -> None:
        """Of messages about authorizations, INTENT[n], note the card's facts, and what is wrong with the card itself."""
        self._follow()
        check_standing(
            intents,
            rows,
            self._directory.cards,
            self.programmes,
            self._zone_from_s,
            self._zone_offset_s,
        )

    def compile(self) -> None:
        """Make the tables from what the directory says now."""
        directory = self._directory
        self._compile_programmes(directory.programmes)
        self._compile_controls(directory.control_sets)
        self._compile_limits()
        names = max(*BlockKind, max(directory.rule_names, default=0))
        self.rules.compile(directory.rules.values(), names, self.programmes)
        self.names.take(directory.limit_names, directory.rule_names)
        self._revision = (directory.shared_revision, directory.limit_sets.revision)

    def _follow(self) -> None:
        shared, sets = self._revision
        if shared != self._directory.shared_revision:
            self.compile()
        elif sets != self._directory.limit_sets.revision:
            self._compile_limits()
            self._revision = (shared, self._directory.limit_sets.revision)

    def _compile_limits(self) -> None:
        limits = {number: programme.limits for number, programme in self._directory.programmes.items()}
        self.limits = self._directory.limit_sets.compile(limits)

    def _compile_programmes(self, programmes: dict[int, Programme]) -> None:
        size = max(programmes, default=-1) + 1
        self.programmes = np.zeros(size, PROGRAMME)
        zones_from: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        zones_offset: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        rows = 0
        for number, programme in programmes.items():
            from_s, offset_s = zone_table(programme.timezone)
            zones_from.append(from_s)
            zones_offset.append(offset_s)
            row = self.programmes[number]
            row["decline_threshold"] = programme.decline_threshold
            row["step_up_threshold"] = programme.step_up_threshold
            row["zone_first"], row["zone_last"] = rows, rows + len(from_s)
            row["currency"], row["country"] = programme.currency, programme.country
            row["version"] = programme.version & 0xFFFF
            row["types_never"] = sum(1 << kind for kind in programme.types_never)
            row["channels"] = programme.channels
            row["step_up_else_decline"] = programme.step_up_else_decline
            row["unscored_decline"] = programme.unscored_decline
            row["posture"] = programme.posture
            row["limits"] = self._directory.limit_sets.own(number)
            row["known"] = 1
            rows += len(from_s)
        self.stand_in = stand_in_table(programmes)
        self._zone_from_s = np.concatenate(zones_from)
        self._zone_offset_s = np.concatenate(zones_offset)

    def _compile_controls(self, control_sets: list[ControlSet]) -> None:
        self._controls = np.zeros(len(control_sets), CONTROLS)
        merchants: list[int] = []
        for number, control in enumerate(control_sets):
            row = self._controls[number]
            row["channels_on"], row["channels_off"] = control.channels_on, control.channels_off
            row["hours"] = control.hours_allowed
            row["types_never"] = sum(1 << kind for kind in control.types_never)
            row["categories_off"] = _off(
                control.categories_allowed, control.categories_blocked, CATEGORY_WORDS
            )
            row["countries_off"] = _off(control.countries_allowed, control.countries_blocked, _COUNTRY_WORDS)
            row["locked"] = control.merchants_allowed is not None
            row["lock_first"] = len(merchants)
            merchants += sorted(control.merchants_allowed or ())
            row["lock_last"] = len(merchants)
        self._lock_merchants = np.array(merchants, np.uint64)


def _off(allowed: frozenset[int] | None, blocked: frozenset[int], words: int) -> NDArray[np.uint64]:
    """Bits of what is switched off: what is blocked, and what a list of allowed ones leaves out."""
    off = bits_of(blocked, words)
    return off if allowed is None else off | ~bits_of(allowed, words)
