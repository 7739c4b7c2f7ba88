"""
What an authorization holds: its parts, what a decision does to them, and what it gives back to the limits.

Kernels over the table of `repeats`. A part is what one message left pending in the ledger; see `entries`.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from scoring.attempt import network_digest
from scoring.velocity import STEP_REDUCE, STEP_RELEASE
from server.core.entries import EntryState, has_entry, place_of
from server.core.record import SINGLE_USE_RESERVED, Chain, Operation, is_credit

GIVEN: Final = np.dtype(
    [
        ("reserved_s", "<i8"),
        ("amount_minor", "<i8"),
        ("merchant", "<u8"),
        ("device", "<u8"),
        ("network", "<u8"),
        ("card_row", "<u4"),
        ("account_number", "<u4"),
        ("day_id", "<i4"),
        ("month_id", "<i4"),
        ("step", "u1"),  # STEP_RELEASE or STEP_REDUCE
        ("reserved", "u1"),  # which of the limits' bits it concerns
        ("stood_in", "u1"),  # approved without the ledger, and not booked: 1 some of it, 2 all of it
        ("padding", "u1", (5,)),
    ]
)
"""Something that an authorization consumed and no longer needs."""

_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_REVERSE: Final = int(Operation.REVERSE)
_INCREMENT: Final = int(Operation.INCREMENT)
_ADVISE: Final = int(Operation.ADVISE)
_CLEAR: Final = int(Operation.CLEAR)
_EXPIRE: Final = int(Operation.EXPIRE)
_LABEL: Final = int(Operation.LABEL)
_DISOWN: Final = int(Operation.DISOWN)
_BOOK: Final = int(Operation.BOOK)
_ADDED: Final = int(Chain.ADDED)
_REPLACED: Final = int(Chain.REPLACED)
_OPEN: Final = int(EntryState.OPEN)
_BUSY: Final = int(EntryState.BUSY)
_DONE: Final = int(EntryState.DONE)
_REVERSED: Final = int(EntryState.REVERSED)
_CLEARED: Final = int(EntryState.CLEARED)
_EXPIRED: Final = int(EntryState.EXPIRED)
_STOOD_IN: Final = int(EntryState.STOOD_IN)
_RELEASE: Final = int(STEP_RELEASE)
_REDUCE: Final = int(STEP_REDUCE)
OPEN_KEPT_S: Final = 30 * 86_400


@njit(cache=True)
def unbooked(authorization: Any) -> int:
    """What stand-in approved of an authorization and the ledger has not: in its own part, which is none of the chain."""
    if authorization.newest[0] != 0 or authorization.newest[1] != 0:
        return 0
    minor: Any = authorization.part_minor
    return minor


@njit(cache=True)
def unbooked_after(intent: Any, credit: int, unbooked_minor: int) -> int:
    """What of that is still to be booked once an INTENT has let go of some; `credit` where it is money that comes in."""
    request = intent.request
    if request.operation == _REVERSE:
        return min(unbooked_minor, request.remaining_minor)
    if request.operation == _CLEAR:
        if request.credit and not credit:
            return unbooked_minor
        return 0 if request.final else max(0, unbooked_minor - request.amount_minor)
    return 0


@njit(cache=True)
def note_facts(entry: Any, intent: Any) -> None:
    """What an entry keeps of its INTENT."""
    entry.merchant = intent.request.merchant
    entry.device = intent.request.device
    entry.network = network_digest(intent.request.ip[0], intent.request.ip[1])
    entry.card_row = intent.card_row
    entry.account_number = intent.account_number
    entry.day_id = intent.day_id
    entry.month_id = intent.month_id
    entry.hold_s = intent.hold_s
    entry.reserved_limits = intent.reserved_limits
    entry.reserved_s = intent.request.transmission_s


@njit(cache=True)
def next_place(slots: Any, entries: Any, entry: Any, is_first: bool) -> int:
    """Where the entry of an authorization's newest part is, or of the part before a part's; -1 at the end."""
    if is_first:
        if entry.newest[0] == 0 and entry.newest[1] == 0:
            return -1
        return place_of(slots, entries, entry.newest[0], entry.newest[1])
    if entry.older[0] == 0 and entry.older[1] == 0:
        return -1
    return place_of(slots, entries, entry.older[0], entry.older[1])


@njit(cache=True)
def next_reserved(slots: Any, entries: Any, entry: Any, is_first: bool) -> int:
    """Likewise of what an authorization reserved in the limits: the newest, or the one before that of `entry`."""
    if is_first:
        if entry.reserved_newest[0] == 0 and entry.reserved_newest[1] == 0:
            return -1
        return place_of(slots, entries, entry.reserved_newest[0], entry.reserved_newest[1])
    if entry.reserved_older[0] == 0 and entry.reserved_older[1] == 0:
        return -1
    return place_of(slots, entries, entry.reserved_older[0], entry.reserved_older[1])


@njit(cache=True)
def note_reserved(authorization: Any, own: Any, amount_minor: int) -> None:
    """The message of `own` reserved so much for its authorization, beside what others did before."""
    own.reserved_minor = amount_minor
    if authorization.reserved_newest[0] == own.id[0] and authorization.reserved_newest[1] == own.id[1]:
        return
    for word in range(2):
        own.reserved_older[word] = authorization.reserved_newest[word]
    for word in range(2):
        authorization.reserved_newest[word] = own.id[word]


@njit(cache=True)
def replace_parts(slots: Any, entries: Any, at: int, own: int) -> None:
    """The authorization at `at` has no parts any more but what the message at `own` (-1: none) left."""
    authorization = entries[at]
    place = next_place(slots, entries, authorization, True)
    while place >= 0:
        part = entries[place]
        place = next_place(slots, entries, part, False)
        part.part_minor = 0
        part.owed_minor = 0
        part.older[0] = 0
        part.older[1] = 0
    authorization.newest[0] = 0
    authorization.newest[1] = 0
    if own >= 0:
        rest = entries[own]
        authorization.newest[0] = rest.id[0]
        authorization.newest[1] = rest.id[1]


@njit(cache=True)
def adopt(authorization: Any, intent: Any, decision: Any) -> None:
    """An advice's answer becomes that of the authorization, which we never had, or declined and hold now."""
    note_facts(authorization, intent)
    authorization.answer = decision
    authorization.answer.operation = _AUTHORIZE
    authorization.answer.authorization_id[0] = authorization.id[0]
    authorization.answer.authorization_id[1] = authorization.id[1]
    authorization.answer.original_id[0] = 0
    authorization.answer.original_id[1] = 0
    if decision.reasons == 0:
        authorization.answer.response_code = intent.request.given_code
        authorization.answer.stand_in = 1
    # Only the advice's own entry has the reservation and the part.
    authorization.reserved_limits = 0
    authorization.answer.part_minor = 0
    authorization.answer.owed_minor = 0
    authorization.credit = is_credit(intent.request.transaction_type)
    authorization.kept_until_s = authorization.transmission_s + np.int64(intent.hold_s) + OPEN_KEPT_S


@njit(cache=True)
def disown(authorization: Any, intent: Any, decision: Any) -> None:
    """What a front answered in our stead is the answer, in every field; what we know of it otherwise stays."""
    answer = authorization.answer
    if answer.sequence == 0:
        note_facts(authorization, intent)
        authorization.reserved_limits = 0
        for word in range(2):
            answer.authorization_id[word] = authorization.id[word]
        answer.operation = _AUTHORIZE
        answer.version = decision.version
        answer.sequence = decision.sequence
        answer.intent_batch = decision.intent_batch
        answer.intent_index = decision.intent_index
        answer.decision_ns = decision.decision_ns
    answer.response_code = intent.request.given_code
    answer.claims = 1
    answer.authorization_code = decision.authorization_code
    for k in range(len(answer.limits_passed)):
        answer.limits_passed[k] = 0
        answer.rules_hit[k] = 0
        answer.score_reasons[k] = 0
    answer.reasons = 0
    answer.risk_score = 0
    answer.billing_currency = 0
    answer.approved_minor = 0
    answer.available_minor = 0
    answer.part_minor = 0
    answer.owed_minor = 0
    answer.held = 0
    answer.stand_in = 0


@njit(cache=True)
def resolve_original(
    slots: Any, entries: Any, at: int, own: int, intent: Any, decision: Any, standing: Any
) -> None:
    """What a decided message leaves of the authorization at `at`, which was BUSY with it; `own` is -1 for one without an entry."""
    authorization = entries[at]
    told = authorization.answer.sequence != 0
    promised = unbooked(authorization)
    if promised > 0 and (decision.chain == _REPLACED or decision.operation == _BOOK):
        authorization.part_minor = unbooked_after(intent, authorization.credit, promised)
    if decision.operation == _ADVISE and (decision.chain == _ADDED or (standing == 0 and not told)):
        adopt(authorization, intent, decision)
    if decision.operation == _CLEAR and decision.chain == _REPLACED:
        authorization.captured_minor += decision.approved_minor
    left = own >= 0 and (decision.part_minor > 0 or decision.owed_minor > 0)
    reserves = decision.operation == _INCREMENT or (decision.chain == _ADDED and decision.operation != _BOOK)
    if left and reserves:
        note_reserved(authorization, entries[own], intent.billed_minor)
    if decision.chain == _ADDED and left:
        part = entries[own]
        part.older[0] = authorization.newest[0]
        part.older[1] = authorization.newest[1]
        part.kept_until_s = authorization.kept_until_s
        authorization.newest[0] = part.id[0]
        authorization.newest[1] = part.id[1]
    elif decision.chain == _REPLACED:
        replace_parts(slots, entries, at, own if left else -1)
        if left:
            entries[own].kept_until_s = authorization.kept_until_s
    if authorization.newest[0] != 0 or authorization.newest[1] != 0:
        authorization.state = _OPEN
    elif decision.operation == _DISOWN:
        if decision.reasons == 0:
            disown(authorization, intent, decision)
        authorization.state = _DONE
    elif authorization.part_minor > 0:
        authorization.state = _STOOD_IN
    elif decision.chain != _REPLACED:
        authorization.state = _DONE
    elif decision.operation == _EXPIRE:
        authorization.state = _EXPIRED
    elif authorization.captured_minor > 0:
        authorization.state = _CLEARED
    else:
        authorization.state = _REVERSED


@njit(cache=True)
def resolve(slots: Any, entries: Any, intents: Any, decisions: Any) -> None:
    """Write the batch's answers into their entries; `intents` INTENT[n] and `decisions` DECISION[n] go in pairs."""
    for i in range(len(decisions)):
        decision = decisions[i]
        intent = intents[i]
        own = -1
        if has_entry(decision.operation):
            own = place_of(slots, entries, decision.authorization_id[0], decision.authorization_id[1])
            if own < 0:
                continue
            entry = entries[own]
            entry.answer = decision
            note_facts(entry, intent)
            entry.part_minor = decision.part_minor
            entry.owed_minor = decision.owed_minor
            entry.state = _DONE
            if decision.operation == _LABEL:
                # It may come again as late as PostgreSQL can note that it was taken.
                entry.kept_until_s = entry.transmission_s + OPEN_KEPT_S
            if decision.operation == _AUTHORIZE:
                if decision.held or decision.stand_in:
                    entry.credit = is_credit(intent.request.transaction_type)
                    note_reserved(entry, entry, decision.approved_minor)
                    entry.kept_until_s = entry.transmission_s + np.int64(intent.hold_s) + OPEN_KEPT_S
                if decision.held:
                    entry.state = _OPEN
                    entry.newest[0] = entry.id[0]
                    entry.newest[1] = entry.id[1]
                elif decision.stand_in:
                    entry.state = _STOOD_IN
                    entry.part_minor = decision.approved_minor
                continue
        if not decision.claims:
            continue
        request = intent.request
        at = place_of(slots, entries, request.original_id[0], request.original_id[1])
        if at >= 0 and entries[at].state == _BUSY:
            resolve_original(slots, entries, at, own, intent, decision, entries[at].newest[0])


@njit(cache=True)
def collect(slots: Any, entries: Any, identifiers: Any, parts: Any, ends: Any) -> None:
    """The parts of authorizations u8[n, 2] into PART[..], oldest first; `ends` (i8[n+1]) says where each's begin and end."""
    count = 0
    for i in range(len(identifiers)):
        first = count
        at = place_of(slots, entries, identifiers[i, 0], identifiers[i, 1])
        if at >= 0:
            credit = entries[at].credit
            place = next_place(slots, entries, entries[at], True)
            while place >= 0:
                entry = entries[place]
                part = parts[count]
                part.message_id[0] = entry.id[0]
                part.message_id[1] = entry.id[1]
                part.held_minor = entry.part_minor
                part.owed_minor = entry.owed_minor
                part.attempt = entry.answer.hold_attempt
                part.credit = credit
                count += 1
                place = next_place(slots, entries, entry, False)
            low, high = first, count - 1
            while low < high:
                swap(parts, low, high)
                low += 1
                high -= 1
        ends[i + 1] = count


@njit(cache=True)
def swap(parts: Any, i: int, k: int) -> None:
    """Exchange two PARTs."""
    a, b = parts[i], parts[k]
    for word in range(2):
        a.message_id[word], b.message_id[word] = b.message_id[word], a.message_id[word]
    a.held_minor, b.held_minor = b.held_minor, a.held_minor
    a.owed_minor, b.owed_minor = b.owed_minor, a.owed_minor
    a.attempt, b.attempt = b.attempt, a.attempt


@njit(cache=True)
def standing_of(slots: Any, entries: Any, authorization: Any) -> int:
    """What the parts of an authorization hold together, by the table."""
    total = 0
    place = next_place(slots, entries, authorization, True)
    while place >= 0:
        part = entries[place]
        total += part.part_minor + part.owed_minor
        place = next_place(slots, entries, part, False)
    return total


@njit(cache=True)
def giving_max(slots: Any, entries: Any, intents: Any) -> int:
    """How many GIVEN there is room needed for, whatever INTENT[n] come to."""
    count = len(intents)
    for i in range(len(intents)):
        request = intents[i].request
        at = place_of(slots, entries, request.original_id[0], request.original_id[1])
        place = -1 if at < 0 else next_reserved(slots, entries, entries[at], True)
        while place >= 0:
            count += 1
            place = next_reserved(slots, entries, entries[place], False)
    return count


@njit(cache=True)
def gives_back(slots: Any, entries: Any, intents: Any, decisions: Any, given: Any) -> int:
    """
    What each DECISION[n] on a message about an authorization gives back, into GIVEN[..]; how many those are.

    It comes before `resolve`: the entries still show the parts that are let go, also those that the ledger had let go
    before. What was cleared stays consumed; what was reserved last is given back first, and noted as given.
    """
    count = 0
    for i in range(len(decisions)):
        decision = decisions[i]
        intent = intents[i]
        if decision.operation == _AUTHORIZE:
            continue
        if decision.chain != _REPLACED:
            if decision.chain != _ADDED and intent.reserved_limits != 0:
                network = network_digest(intent.request.ip[0], intent.request.ip[1])
                count = give(given, count, intent, intent.request.transmission_s, intent.billed_minor, True)
                place_given(given[count - 1], intent.request.merchant, intent.request.device, network)
            continue
        if decision.operation == _INCREMENT:
            continue
        at = place_of(slots, entries, intent.request.original_id[0], intent.request.original_id[1])
        if at < 0 or not decision.claims:
            continue
        authorization = entries[at]
        if authorization.state != _BUSY:
            continue
        rest = standing_of(slots, entries, authorization) - decision.part_minor - decision.owed_minor
        promised = unbooked(authorization)
        if promised > 0:
            rest += promised - unbooked_after(intent, authorization.credit, promised)
        if decision.operation == _CLEAR:
            rest = max(0, rest - decision.approved_minor)
        used = authorization.captured_minor > 0 or (
            decision.operation == _CLEAR and decision.approved_minor > 0
        )
        place = next_reserved(slots, entries, authorization, True)
        while place >= 0:
            source = entries[place]
            amount = min(rest, source.reserved_minor)
            rest -= amount
            whole = amount == source.reserved_minor and not used
            source.reserved_minor -= amount
            if amount > 0 and (source.reserved_limits != 0 or promised > 0):
                count = give(given, count, source, source.reserved_s, amount, whole)
                if promised > 0 and not authorization.credit:
                    given[count - 1].stood_in = 2 if whole else 1
                place_given(given[count - 1], source.merchant, source.device, source.network)
            place = next_reserved(slots, entries, source, False)
    return count


@njit(cache=True)
def give(given: Any, count: int, source: Any, reserved_s: int, amount_minor: int, whole: bool) -> int:
    """Write one GIVEN of what an entry, or an intent, reserved."""
    line = given[count]
    line.card_row = source.card_row
    line.account_number = source.account_number
    line.day_id = source.day_id
    line.month_id = source.month_id
    line.reserved_s = reserved_s
    line.amount_minor = amount_minor
    line.step = _RELEASE if whole else _REDUCE
    line.reserved = source.reserved_limits if whole else source.reserved_limits & ~SINGLE_USE_RESERVED
    return count + 1


@njit(cache=True)
def place_given(line: Any, merchant: Any, device: Any, network: Any) -> None:
    """Note in a GIVEN whose windows it is in."""
    line.merchant = merchant
    line.device = device
    line.network = network


@njit(cache=True)
def due(entries: Any, first: int, last: int, now_s: int, places: Any) -> int:
    """Places, from `first` to `last`, of holds whose time is over, into `places` (i8[..]); how many those are."""
    count = 0
    for i in range(first, last):
        entry = entries[i]
        if entry.state == _OPEN and entry.transmission_s + np.int64(entry.hold_s) <= now_s:
            places[count] = i
            count += 1
    return count


@njit(cache=True)
def standings(slots: Any, entries: Any, count: int, found: Any) -> int:
    """What each authorization among the entries should have pending, into STANDING[..]; how many those are."""
    used = 0
    for i in range(count):
        if entries[i].newest[0] == 0 and entries[i].newest[1] == 0:
            continue
        line = found[used]
        used += 1
        line.authorization_id[0] = entries[i].id[0]
        line.authorization_id[1] = entries[i].id[1]
        place = next_place(slots, entries, entries[i], True)
        while place >= 0:
            part = entries[place]
            line.pending_minor += part.part_minor + part.owed_minor
            line.holds += (part.part_minor > 0) + (part.owed_minor > 0)
            place = next_place(slots, entries, part, False)
    return used
