"""
What became known of an authorization, as a message that the core takes in its turn and its journal keeps.

A label is a REQUEST with the operation LABEL. It says by itself what features learn of it, so that the journal is
enough to learn it again:

    authorization_id    the label's own, from its number: the same label handed over twice is a repeat
    original_id         the authorization that it is about
    transmission_s      when it was received; local_s is when the authorization was sent
    given_code          two digits: its Verdict, and the one that it supersedes (0 = none)
    amount_minor        what the authorization asked for, in the account's currency

Merchant, terminal, device, IP and card are the authorization's.
"""

import hashlib
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.attempt import LABEL, network_digest, terminal_digest
from scoring.features import Features
from server.core.deadline import PATIENT_MS
from server.core.record import INTENT_NUMBERS, REQUEST, REQUEST_VERSION, Operation

_LABEL: Final = int(Operation.LABEL)
_DIGIT_ZERO: Final = ord("0")
_OF_THE_AUTHORIZATION: Final = (
    *("card_key", "card_reference", "merchant", "merchant_id", "acquirer_id", "terminal_id"),
    *("device", "ip", "country", "category", "entry_mode", "transaction_type", "card_present"),
)


@njit(cache=True)
def labels_of(intents: Any, labels: Any) -> int:
    """Fill LABEL[n] from those of the INTENT_NUMBERS[n] that are labels, in order; return how many those are."""
    count = 0
    for i in range(len(intents)):
        request = intents[i].request
        if request.operation != _LABEL:
            continue
        label = labels[count]
        label.time_s = request.local_s
        label.known_s = request.transmission_s
        label.amount_minor = request.amount_minor
        label.merchant = request.merchant
        label.terminal = terminal_digest(request.merchant, request.terminal_id)
        label.device = request.device
        label.ip = network_digest(request.ip[0], request.ip[1])
        label.card_row = intents[i].card_row
        label.verdict = (request.given_code & 0xFF) - _DIGIT_ZERO
        label.superseded = (request.given_code >> 8) - _DIGIT_ZERO
        count += 1
    return count


def learn(features: Features, intents: NDArray[Any]) -> None:
    """Have features learn those of INTENT[n] that are labels, in order."""
    if (intents["request"]["operation"] == Operation.LABEL).any():
        labels = np.zeros(len(intents), LABEL)
        count = labels_of(intents.view(INTENT_NUMBERS), labels)
        features.learn(labels[:count])


def runs_of(intents: NDArray[Any]) -> list[NDArray[Any]]:
    """INTENT[n] in order, cut where labels begin or end: what is learnt between two attempts stays between them."""
    labels = intents["request"]["operation"] == Operation.LABEL
    return np.split(intents, np.flatnonzero(labels[1:] != labels[:-1]) + 1)


def label_requests(
    intents: NDArray[Any],
    numbers: NDArray[np.int64],
    verdicts: NDArray[np.uint8],
    superseded: NDArray[np.uint8],
    received_s: NDArray[np.int64],
    arrival_ns: int,
) -> NDArray[Any]:
    """
    REQUEST[n]: labels on authorizations, whose intents are INTENT[n].

    `numbers` (i8[n]) are the labels' own, each of one label for ever; `verdicts` and `superseded` u1[n] are of
    `Verdict`, 0 where nothing is superseded; `received_s` i8[n] seconds since 1970.
    """
    about = intents["request"]
    requests = np.zeros(len(intents), REQUEST)
    for name in _OF_THE_AUTHORIZATION:
        requests[name] = about[name]
    requests["version"] = REQUEST_VERSION
    requests["operation"] = Operation.LABEL
    # A stand-in's advice tells of an authorization that we had not: its own id is another.
    advised = about["operation"] == Operation.ADVISE
    requests["original_id"] = np.where(advised[:, None], about["original_id"], about["authorization_id"])
    identities = [
        _identify(number, second)
        for number, second in zip(numbers.tolist(), received_s.tolist(), strict=True)
    ]
    requests["authorization_id"] = np.array(identities, np.uint64).reshape(-1, 2)
    requests["content"][:, 0] = numbers
    requests["content"][:, 1] = verdicts
    requests["transmission_s"] = received_s
    requests["local_s"] = about["transmission_s"]
    requests["arrival_ns"] = arrival_ns
    requests["deadline_ms"] = PATIENT_MS
    requests["amount_minor"] = intents["billed_minor"]
    requests["currency"] = intents["billing_currency"]
    requests["latitude_deg"] = requests["longitude_deg"] = np.nan
    codes = [f"{verdict}{old}" for verdict, old in zip(verdicts.tolist(), superseded.tolist(), strict=True)]
    requests["given_code"] = np.array(codes, "S2")
    return requests


def _identify(number: int, received_s: int) -> tuple[int, int]:
    """A label's id as [low, high]: its time in ms, and a hash of its number; the low byte is the legs'."""
    named = number.to_bytes(8, "little", signed=True)
    hashed = int.from_bytes(hashlib.blake2b(named, person=b"label", digest_size=9).digest(), "little")
    value = ((received_s * 1000) & 0xFFFF_FFFF_FFFF) << 80 | hashed << 8
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64
