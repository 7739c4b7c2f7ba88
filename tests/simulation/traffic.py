"""Senders: what they ask, again and again until they have an answer, and what they do that they should not."""

from dataclasses import dataclass, field

import numpy as np

from server.core.directory import CardState
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.record import MISSING_S, REQUEST, CardReference, EntryMode, Operation, TransactionType
from tests.simulation.facts import CARDS, USD, Ceilings
from tests.simulation.fates import Fault

SENDER = 9
AGAIN_S = 2.5
TRIES_MAX = 3
BURST = 70
PARCEL_MAX = 16


@dataclass(eq=False)
class Asked:
    """One message with a key of its own, however often it is sent."""

    record: np.ndarray  # REQUEST[1]
    operation: Operation
    original: "Asked | None" = None
    sent_s: list = field(default_factory=list)
    answer: np.ndarray | None = None  # the first that stands in the journal
    answered_s: float = 0.0
    told_away_in: object = "never"  # the life of the core that last told it 91 by time, before any answer

    @property
    def key(self):
        """Its id as (low, high)."""
        return tuple(self.record["authorization_id"][0].tolist())


class Traffic:
    """`begin` has so many things happen; `ask_again` what has no answer yet."""

    def __init__(self, world):
        self._world = world
        self._random = world.fates.random
        self.asked = []
        self.left = 0
        self._about = []
        self._recent = []
        self.probes = []
        """What was asked last, when everything was whole again."""

    @property
    def unanswered(self):
        """What no journal has answered yet."""
        return [asked for asked in self.asked if asked.answer is None]

    def begin(self, steps, about=None):
        """Act so many times, from now on; messages are about what is asked meanwhile, or about these before."""
        self.left = steps
        self._about = [asked for asked in self.asked if about and asked.key in about]
        self._recent = []
        self._world.agenda.after(0.01, self._step)

    def ask_again(self):
        """All of them that wait."""
        waiting = self.unanswered
        for first in range(0, len(waiting), PARCEL_MAX):
            self._send(waiting[first : first + PARCEL_MAX])

    def probe(self):
        """A small purchase on every card."""
        self.probes = [
            self._note(Operation.AUTHORIZE, None, card=card, amount_minor=1) for card in range(CARDS)
        ]
        self._send(self.probes)

    def _step(self):
        self.left -= 1
        acts, weights = zip(*self._acts(), strict=True)
        self._random.choices(acts, weights)[0]()
        if self.left:
            self._world.agenda.after(self._random.expovariate(1 / 0.03), self._step)

    def _acts(self):
        fates = self._world.fates
        yield self._authorize, 10
        if self._authorizations():
            yield self._message, 8
        kinds = fates.kinds if not fates.healed else set()
        if Fault.REPEAT in kinds and self._recent:
            yield self._repeat, 3
        if Fault.OTHER_CONTENT in kinds and self._settled():
            yield self._other_content, 1
        if Fault.REVERSED_FIRST in kinds:
            yield self._reverse_first, 1
        if Fault.OVERLOAD in kinds:
            yield self._burst, 0.3
        if Fault.CARD_CHANGES in kinds:
            yield self._change_card, 1.5
        if Fault.LIMITS_CHANGE in kinds:
            yield self._change_limits, 1

    def _authorize(self):
        self._send([self._new_authorization() for _ in range(self._random.choice((1, 1, 1, 2, 4)))])

    def _new_authorization(self):
        pick = self._random.random()
        fields = {"card": self._random.randrange(CARDS), "amount_minor": self._random.randrange(100, 6_000)}
        if pick < 0.06:
            fields["transaction_type"] = TransactionType.REFUND
        elif pick < 0.14:
            fields |= {"partial_approval_allowed": 1, "amount_minor": self._random.randrange(4_000, 9_000)}
        elif pick < 0.18:
            fields |= {"transaction_type": TransactionType.ACCOUNT_STATUS, "amount_minor": 0}
        elif pick < 0.21:
            fields["card"] = CARDS + 3  # no such card
        elif pick < 0.24:
            fields["amount_minor"] = 9_500  # beyond what one transaction may have
        return self._note(Operation.AUTHORIZE, None, **fields)

    def _authorizations(self):
        return self._about + [asked for asked in self._recent[-40:] if asked.operation is Operation.AUTHORIZE]

    def _message(self):
        original = self._random.choice(self._authorizations())
        act = self._random.choice((self._reverse, self._reverse, self._increment, self._clear, self._advise))
        message = act(original)
        self._send([message] if self._random.random() < 0.8 else [message, self._clear(original)])
        if self._world.fates.comes(Fault.CLEARED_TWICE, 0.3):
            self._send([self._clear(original)])

    def _reverse(self, original):
        rest = self._random.choice((0, 0, int(original.record["amount_minor"][0]) // 3))
        return self._note(Operation.REVERSE, original, remaining_minor=rest)

    def _increment(self, original):
        return self._note(
            Operation.INCREMENT,
            original,
            amount_minor=self._random.randrange(50, 4_000),
            cumulative=self._random.random() < 0.3,
            transaction_type=TransactionType.PURCHASE,
        )

    def _clear(self, original):
        asked_minor = max(1, int(original.record["amount_minor"][0]))
        part = self._random.choice((asked_minor, asked_minor, asked_minor // 2 + 1, asked_minor + 700))
        return self._note(
            Operation.CLEAR,
            original,
            amount_minor=part,
            final=self._random.random() < 0.7,
            credit=self._random.random() < 0.1,
            # A clearing names its card besides: it must be booked though the authorization is unknown.
            card=original.record["card_key"][0, 0] - 1,
        )

    def _advise(self, original):
        message = self._note(Operation.ADVISE, original, like=original)
        message.record["given_code"] = b"00" if self._random.random() < 0.7 else b"05"
        message.record["given_authorization_code"] = b"ABC123"
        return message

    def _repeat(self):
        self._world.fates.counts[Fault.REPEAT] += 1
        self._send(self._random.choices(self._recent[-12:], k=self._random.choice((1, 2))))

    def _other_content(self):
        record = self._random.choice(self._settled()).record.copy()
        record["content"] += np.uint64(1)
        self._world.fates.counts[Fault.OTHER_CONTENT] += 1
        self._submit([record], self._world.witness.hear_conflict)

    def _settled(self):
        return [asked for asked in self._recent[-12:] if asked.answer is not None]

    def _reverse_first(self):
        original = self._new_authorization()
        self._world.fates.counts[Fault.REVERSED_FIRST] += 1
        self._send([self._note(Operation.REVERSE, original)])
        self._world.agenda.after(self._random.choice((0.0, 0.02, 0.5)), self._send, [original])

    def _burst(self):
        self._world.fates.counts[Fault.OVERLOAD] += 1
        for _ in range(BURST // 10):
            self._send([self._new_authorization() for _ in range(10)])

    def _change_card(self):
        card = self._random.randrange(CARDS)
        states = (CardState.ACTIVE, CardState.ACTIVE, CardState.FROZEN, CardState.LOST, CardState.CLOSED)
        self._world.fates.counts[Fault.CARD_CHANGES] += 1
        self._world.change(self._world.facts.set_state(card, self._random.choice(states), self._world.now_s))

    def _change_limits(self):
        ceilings = Ceilings(self._random.choice((6_000, 15_000, 40_000)), self._random.choice((3, 8, 30)))
        self._world.fates.counts[Fault.LIMITS_CHANGE] += 1
        self._world.change(self._world.facts.set_ceilings(ceilings, self._world.now_s))

    def _note(self, operation, original, *, like=None, card=None, **fields):
        record = np.zeros(1, REQUEST) if like is None else like.record.copy()
        record["operation"] = operation
        stamp = self._world.clock_ns() // 1_000_000 << 16
        record["authorization_id"] = [(self._random.getrandbits(56) << 8, stamp)]
        record["sender"] = SENDER
        record["transmission_s"] = self._world.clock_ns() // 10**9 - self._random.choice((0, 0, 1, 5))
        record["local_s"] = MISSING_S
        record["latitude_deg"] = record["longitude_deg"] = np.nan
        record["currency"] = record["country"] = USD
        if operation == Operation.AUTHORIZE:
            record["transaction_type"] = TransactionType.PURCHASE
            record["entry_mode"] = EntryMode.CHIP
            record["category"] = 5411
            record["merchant"] = self._random.randrange(1, 5)
        if card is not None:
            record["card_key"] = card + 1
            record["card_reference"] = CardReference.PAN
        if original is not None:
            record["original_id"] = original.record["authorization_id"]
        for name, value in fields.items():
            record[name] = value
        if like is None:  # an advice repeats what its original says
            record["content"] = [(len(self.asked) + 1, int(operation))]
        asked = Asked(record, operation, original)
        self.asked.append(asked)
        self._recent.append(asked)
        return asked

    def _send(self, messages):
        """One parcel; whoever has no answer after a while sends his again."""
        if not messages:
            return
        for asked in messages:
            asked.sent_s.append(self._world.now_s)
        listening = not self._world.fates.comes(Fault.CLIENT_GONE, 0.05)
        begun_s = self._world.now_s

        def deliver(places, decisions):
            self._world.witness.hear([messages[place] for place in places], decisions, begun_s, listening)

        self._submit([asked.record for asked in messages], deliver)
        if len(messages[0].sent_s) < TRIES_MAX:
            self._world.agenda.after(AGAIN_S, self._look, messages)

    def _look(self, messages):
        waiting = [asked for asked in messages if asked.answer is None]
        if not self._world.fates.healed:
            self._send(waiting)

    def _submit(self, records, deliver):
        """Whether the core took it."""
        life = self._world.life
        if life is None or life.core is None:
            return False
        for record in records:
            record["arrival_ns"] = self._world.clock_ns()
        packed = b"".join([record.tobytes() for record in records])
        parcel = Parcel(packed, list(range(len(records))), deliver, self._world.witness.hear_failure)
        try:
            life.core.submit(parcel)
        except (Overloaded, Stopped):
            return False
        return True
