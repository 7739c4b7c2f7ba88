"""
Policy: from facts to a response code, by one table in order of precedence.

Every stage before it only notes what it found, as bits of `checks_failed`; bit *i* is the check of that value. The
answer is the code of the first in the table that was found and has one: what is wrong with the message comes first, then the card, then
controls, limits and score, and the ledger last, because only the ledger's word is a hold. A check without a code
informs (it flags the decision for compliance) and declines nothing.

Codes that tell a merchant never to try again (12, 14, 15, 41, 43, 46, 57) stand only where the reason does not pass.
Source: ISO 8583:1987 DE39; Visa and Mastercard decline categories 1 (issuer will never approve).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit


@dataclass(frozen=True, slots=True)
class CheckRule:
    """One row of the table: a name for machines, its answer (empty: it only informs), a sentence for people."""

    name: str
    response_code: str
    text: str


class Check(IntEnum):
    """What can be found. The value is the bit in `checks_failed`, which journals keep: new ones are appended."""

    REVERSED_BEFORE_ARRIVAL = 0
    AMOUNT_SENSELESS = 1
    TRANSACTION_SENSELESS = 2
    CARD_UNKNOWN = 3
    CARD_CLOSED = 4
    ACCOUNT_CLOSED = 5
    CARD_STOLEN = 6
    CARD_LOST = 7
    CARD_INACTIVE = 8
    CARD_FROZEN = 9
    COMPLIANCE_BLOCK = 10
    CARD_EXPIRED = 11
    EXPIRY_MISMATCH = 12
    CRYPTOGRAM_MISMATCH = 13
    CVV2_MISMATCH = 14
    PIN_TRIES = 15
    PIN_MISMATCH = 16
    TYPE_NEVER = 17
    TYPE_NOT_OFFERED = 18
    CURRENCY_NOT_CONVERTED = 19
    CHANNEL_CONTACTLESS = 20
    CHANNEL_ECOMMERCE = 21
    CHANNEL_CASH = 22
    CHANNEL_INTERNATIONAL = 23
    CATEGORY = 24
    COUNTRY = 25
    HOUR = 26
    MERCHANT_LOCK = 27
    BLOCKED_MERCHANT = 28
    BLOCKED_DEVICE = 29
    BLOCKED_IP = 30
    BLOCKED_COUNTRY = 31
    SINGLE_USE = 32
    LIMIT_AMOUNT = 33
    LIMIT_FREQUENCY = 34
    SCORE_DECLINE = 35
    UNSCORED_DECLINE = 36
    STEP_UP = 37
    STEP_UP_IMPOSSIBLE = 38
    FUNDS = 39
    LEDGER_AWAY = 40
    LEDGER_REFUSED = 41
    SCORE_FLAGGED = 42
    UNSCORED = 43
    KYC_INCOMPLETE = 44
    POLITICALLY_EXPOSED = 45
    AUTHORIZATION_UNKNOWN = 46
    AUTHORIZATION_ENDED = 47
    BLOCKED_CARD = 48
    RULE_DECLINE = 49
    RULE_STEP_UP = 50
    RULE_STEP_UP_IMPOSSIBLE = 51
    RULE_FLAGGED = 52
    NETWORK_ASKED = 53
    STAND_IN_CATEGORY = 54
    STAND_IN_AMOUNT = 55
    STAND_IN_COUNT = 56
    STAND_IN_SUM = 57
    STOOD_IN = 58


CHECKS: Final[dict[Check, CheckRule]] = {  # in order of precedence
    Check.REVERSED_BEFORE_ARRIVAL: CheckRule(
        "reversed_before_arrival", "05", "its reversal came first, so it must not be held any more"
    ),
    Check.AMOUNT_SENSELESS: CheckRule("amount_senseless", "13", "the amount does not fit the transaction"),
    Check.TRANSACTION_SENSELESS: CheckRule(
        "transaction_senseless", "12", "cash can't be handed out where the card is not present"
    ),
    Check.CARD_UNKNOWN: CheckRule("card_unknown", "14", "no such card"),
    Check.CARD_CLOSED: CheckRule("card_closed", "46", "the card is closed"),
    Check.ACCOUNT_CLOSED: CheckRule("account_closed", "46", "the account is closed"),
    Check.CARD_STOLEN: CheckRule("card_stolen", "43", "the card is reported stolen"),
    Check.CARD_LOST: CheckRule("card_lost", "41", "the card is reported lost"),
    Check.CARD_INACTIVE: CheckRule("card_inactive", "78", "the card is not activated yet"),
    Check.CARD_FROZEN: CheckRule("card_frozen", "78", "the card is frozen"),
    Check.COMPLIANCE_BLOCK: CheckRule("compliance_block", "59", "compliance has blocked the customer"),
    Check.CARD_EXPIRED: CheckRule("card_expired", "54", "the card has expired"),
    Check.EXPIRY_MISMATCH: CheckRule("expiry_mismatch", "54", "the expiry date is not the card's"),
    Check.CRYPTOGRAM_MISMATCH: CheckRule("cryptogram_mismatch", "82", "the chip's cryptogram is wrong"),
    Check.CVV2_MISMATCH: CheckRule("cvv2_mismatch", "N7", "the card verification value is wrong"),
    Check.PIN_TRIES: CheckRule("pin_tries", "75", "too many wrong PINs"),
    Check.PIN_MISMATCH: CheckRule("pin_mismatch", "55", "the PIN is wrong"),
    Check.TYPE_NEVER: CheckRule("type_never", "57", "this card never permits this kind of transaction"),
    Check.TYPE_NOT_OFFERED: CheckRule("type_not_offered", "57", "this kind of transaction is not offered"),
    Check.CURRENCY_NOT_CONVERTED: CheckRule(
        "currency_not_converted", "05", "there is no fresh rate for its currency, and no billing amount"
    ),
    Check.CHANNEL_CONTACTLESS: CheckRule("channel_contactless", "62", "contactless is switched off"),
    Check.CHANNEL_ECOMMERCE: CheckRule("channel_ecommerce", "62", "e-commerce is switched off"),
    Check.CHANNEL_CASH: CheckRule("channel_cash", "62", "cash is switched off"),
    Check.CHANNEL_INTERNATIONAL: CheckRule("channel_international", "62", "use abroad is switched off"),
    Check.CATEGORY: CheckRule("category", "62", "the merchant's category is switched off"),
    Check.COUNTRY: CheckRule("country", "62", "the merchant's country is switched off"),
    Check.HOUR: CheckRule("hour", "62", "the card is switched off at this hour"),
    Check.MERCHANT_LOCK: CheckRule("merchant_lock", "62", "the card is locked to other merchants"),
    Check.BLOCKED_MERCHANT: CheckRule("blocked_merchant", "62", "the merchant is on a block list"),
    Check.BLOCKED_DEVICE: CheckRule("blocked_device", "62", "the device is on a block list"),
    Check.BLOCKED_IP: CheckRule("blocked_ip", "62", "the IP address is on a block list"),
    Check.BLOCKED_COUNTRY: CheckRule("blocked_country", "62", "the country is on a block list"),
    Check.BLOCKED_CARD: CheckRule("blocked_card", "62", "the card is on a block list"),
    Check.SINGLE_USE: CheckRule("single_use", "65", "the single-use card has been used"),
    Check.LIMIT_AMOUNT: CheckRule("limit_amount", "61", "an amount limit would be passed"),
    Check.LIMIT_FREQUENCY: CheckRule("limit_frequency", "65", "a frequency limit would be passed"),
    Check.SCORE_DECLINE: CheckRule("score_decline", "59", "the fraud score is above the decline threshold"),
    Check.UNSCORED_DECLINE: CheckRule(
        "unscored_decline", "59", "there is no score, and the programme asks for one"
    ),
    Check.RULE_DECLINE: CheckRule("rule_decline", "59", "a rule of the issuer's declines it"),
    Check.STEP_UP: CheckRule("step_up", "1A", "the fraud score asks for more authentication"),
    Check.STEP_UP_IMPOSSIBLE: CheckRule(
        "step_up_impossible", "59", "the fraud score asks for authentication that the channel can't give"
    ),
    Check.RULE_STEP_UP: CheckRule(
        "rule_step_up", "1A", "a rule of the issuer's asks for more authentication"
    ),
    Check.RULE_STEP_UP_IMPOSSIBLE: CheckRule(
        "rule_step_up_impossible", "59", "a rule asks for authentication that the channel can't give"
    ),
    Check.FUNDS: CheckRule("funds", "51", "the ledger has not enough funds"),
    Check.NETWORK_ASKED: CheckRule(
        "network_asked", "N0", "without the ledger, the network is asked to stand in"
    ),
    Check.STAND_IN_CATEGORY: CheckRule(
        "stand_in_category", "91", "without the ledger, nothing is approved at this kind of merchant"
    ),
    Check.STAND_IN_AMOUNT: CheckRule(
        "stand_in_amount", "91", "it is more than is approved at once without the ledger"
    ),
    Check.STAND_IN_COUNT: CheckRule(
        "stand_in_count", "91", "the card has had its approvals without the ledger for the day"
    ),
    Check.STAND_IN_SUM: CheckRule(
        "stand_in_sum", "91", "with it, the card would pass its amount without the ledger for the day"
    ),
    Check.LEDGER_AWAY: CheckRule("ledger_away", "91", "the ledger could not be asked"),
    Check.LEDGER_REFUSED: CheckRule(
        "ledger_refused", "96", "the ledger refused the hold for another reason than funds"
    ),
    Check.STOOD_IN: CheckRule(
        "stood_in", "", "approved without the ledger, within the programme's limits, and booked on its return"
    ),
    Check.RULE_FLAGGED: CheckRule("rule_flagged", "", "a rule of the issuer's flags it"),
    Check.SCORE_FLAGGED: CheckRule("score_flagged", "", "the fraud score is above the step-up threshold"),
    Check.UNSCORED: CheckRule("unscored", "", "there is no score"),
    Check.KYC_INCOMPLETE: CheckRule("kyc_incomplete", "", "the customer's identification is not complete"),
    Check.POLITICALLY_EXPOSED: CheckRule("politically_exposed", "", "the customer is politically exposed"),
    Check.AUTHORIZATION_UNKNOWN: CheckRule(
        "authorization_unknown", "25", "there is no such authorization, and no card to book it to"
    ),
    Check.AUTHORIZATION_ENDED: CheckRule(
        "authorization_ended",
        "12",
        "nothing is held any more: it was declined, cleared, reversed or has expired",
    ),
}

APPROVED: Final = b"00"
APPROVED_IN_PART: Final = b"10"
NOTHING_AGAINST_IT: Final = b"85"
SAME_KEY_OTHER_CONTENT: Final = b"94"
LEDGER_AWAY: Final = b"91"
NETWORK_ASKED: Final = b"N0"

CODES: Final = np.array([CHECKS[check].response_code.encode() for check in Check], "S2").view("<u2")
"""Each check's answer as the two characters' u2; 0 where it only informs."""

DECLINING: Final = np.uint64(sum(1 << check for check in Check if CHECKS[check].response_code))
"""The bits that decline; the others inform."""


ORDER: Final = np.array(list(CHECKS), np.int64)
"""The checks in order of precedence."""


def number_of(code: bytes) -> int:
    """A two-character code as kernels write it."""
    return int.from_bytes(code, "little")


def bit(check: Check) -> np.uint64:
    """The check's bit in `checks_failed`."""
    return np.uint64(1 << check)


@njit(cache=True)
def response_code(checks_failed: Any, codes: Any) -> int:
    """The answer (u2) of the first declining check that was found, in order of precedence; 0 where nothing declines."""
    for check in ORDER:
        if (checks_failed >> np.uint64(check)) & np.uint64(1) and codes[check] != 0:
            return codes[check]
    return 0


def names(checks_failed: int) -> list[str]:
    """Names of the checks whose bits are set, most important first."""
    return [rule.name for check, rule in CHECKS.items() if checks_failed >> check & 1]


AWAY: Final = np.uint64(
    sum(
        1 << check
        for check in (
            Check.NETWORK_ASKED,
            Check.STAND_IN_CATEGORY,
            Check.STAND_IN_AMOUNT,
            Check.STAND_IN_COUNT,
            Check.STAND_IN_SUM,
            Check.LEDGER_AWAY,
        )
    )
)
"""The bits of what was not approved because the ledger could not be asked."""

UNHEARD: Final = AWAY | bit(Check.STOOD_IN)
"""And of all that was decided without the ledger's word: what it may hold for those is nobody's."""


def _table_is_sound() -> Any:
    assert set(CHECKS) == set(Check), "one row per check"
    assert [int(check) for check in Check] == list(range(len(Check))), "the value is the place"
    assert len(Check) <= 64, "checks_failed is a u64"


_table_is_sound()
