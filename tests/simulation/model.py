"""
The rules once more, in plain Python: what each message must be answered, and what every account has in the end.

It goes through the journal in the order in which requests were taken, as an auditor would, with nothing of the server's
but the records themselves. Where chance may decide (which of two holds the ledger saw first), it asks that an answer was
right at some moment between question and answer.
"""

from collections import defaultdict
from dataclasses import dataclass
from operator import itemgetter

from ledger.chart import HOUSE, AccountCode, account_id
from server.core.directory import Posture
from server.core.record import Operation, TransactionType
from tests.simulation.balances import Balances
from tests.simulation.facts import (
    CARDS,
    OPENING_MINOR,
    SINGLE_USE_CARD,
    STAND_IN,
    STATE_CODES,
    TRANSACTION_MAX_MINOR,
    USD,
    account_of,
)
from tests.simulation.said import DAY_S
from tests.simulation.said import said as said_of

AWAY = ("91", "N0")
CREDITS = (TransactionType.REFUND, TransactionType.ORIGINAL_CREDIT)


@dataclass
class Hold:
    """One authorization."""

    card: int
    day: int = 0
    state: str = "DONE"
    held: int = 0
    owed: int = 0
    captured: int = 0
    credit: bool = False
    promised: int = 0  # without the ledger, and not booked yet


@dataclass
class Account:
    """What should be: `net` is the balance less what is owed."""

    net: int = OPENING_MINOR
    held: int = 0
    coming: int = 0
    owed_pending: int = 0


@dataclass
class Consumed:
    """What a request took of its card's day."""

    amount: int  # at most
    kept: int  # at least
    over_s: float  # from then on it is no more than `kept`
    counts: bool  # as one approval
    day: int


class Model:
    """`follow` the journal, then `check_books`."""

    def __init__(self, world):
        self._world = world
        self._facts = world.facts
        self._holds = {}
        self._accounts = defaultdict(Account)
        self._consumed = defaultdict(list)  # by card
        self._parts_of = defaultdict(list)  # what an authorization and its messages consumed
        self._spent = defaultdict(list)  # by card and day, in stand-in: (when, amount, count, what was said)
        self._by_key = {}
        self._decided = {sequence: place for place, sequence in enumerate(world.disk.decisions)}
        self._balances = Balances(world)

    def follow(self):
        """Every request in order. Raises AssertionError at the first answer that can't be right."""
        disk = self._world.disk
        sent = {asked.key: asked for asked in self._world.traffic.asked}
        missing = disk.intents.keys() - disk.decisions.keys()
        assert not missing, f"requests {sorted(missing)} were never decided"
        for sequence in sorted(disk.intents):
            said = said_of(disk, sequence, sent)
            assert said.key not in self._by_key, f"{said} has the key of {self._by_key[said.key]}"
            self._by_key[said.key] = said
            getattr(self, said.operation.name.lower())(said)
            assert said.code != "96", f"{said}: 96 is our bug"
            away = said.code in AWAY or said.stand_in
            assert not away or self._world.fates.has_disturbed, f"{said} with nothing in its way"
        self._check_stand_in()

    def authorize(self, said):
        """Facts of the card, limits in order of arrival, then money."""
        before = self._holds.get(said.key)
        if before is not None and before.state == "AHEAD":
            assert said.code == "05", f"{said} though its reversal came first"
            before.state, before.card = "DONE", said.card
            return
        assert before is None, f"{said} though an advice was there"
        hold = self._holds[said.key] = Hold(said.card, said.day, credit=said.kind in CREDITS)
        expected = self._codes_of_card(said)
        if "" not in expected:
            assert said.code in expected, f"{said}, not {expected}"
            return
        if said.code in expected:
            return
        consumes = said.amount > 0 and not hold.credit
        if said.kind == TransactionType.ACCOUNT_STATUS:
            assert said.code == "85", f"{said}, a status"
            return
        if consumes and said.code in ("61", "65"):
            self._check_refused(said)
            return
        away = "N0" if self._facts.posture == Posture.NETWORK else "91"
        assert said.code in ("00", "10", "51", "91", away), f"{said}"
        if consumes:
            self._check_within(said)
        if said.code in ("00", "10"):
            self._approve(said, hold)
        elif consumes:
            self._consume(said, 0, said.to_s)
            if said.code == "51":
                asked = 1 if said.partial else said.amount
                lowest = self._balances.lowest(account_of(said.card), said.from_s, said.to_s)
                assert lowest < asked, f"{said} with never less than {lowest} available"

    def _approve(self, said, hold):
        if said.stand_in:
            self._stand_in(said, hold)
            return
        if said.code == "00":
            assert said.approved == said.amount, f"{said} approved {said.approved}"
        else:
            assert said.partial and 0 < said.approved < said.amount, f"{said} approved {said.approved}"
        hold.state, hold.held = "OPEN", said.approved
        account = self._account(said.card)
        if hold.credit:
            account.coming += said.approved
            return
        account.held += said.approved
        self._consume(said, said.approved, float("inf"))

    def _stand_in(self, said, hold):
        """Approved without the ledger, within limits."""
        assert self._facts.posture == Posture.STAND_IN, f"{said} in stand-in"
        assert said.code == "00" and said.approved == said.amount, (
            f"{said} approved {said.approved} in stand-in"
        )
        hold.state, hold.promised = "STOOD_IN", said.amount
        if hold.credit:
            return
        self._consume(said, said.amount, float("inf"))
        assert said.amount <= STAND_IN.amount_max_minor, f"{said} in stand-in"
        self._spend(hold, said.amount, 1, said)

    def book(self, said):
        """The core's own: what stood in is held, beyond the balance as owed."""
        hold = self._holds[said.original]
        assert hold.state == "STOOD_IN", f"{said} of what is {hold.state}"
        assert said.code == "00", f"{said}"
        assert said.part + said.owed == hold.promised, f"{said} booked {said.part} and {said.owed}"
        hold.state, hold.held, hold.owed, hold.promised = "OPEN", said.part, said.owed, 0
        account = self._account(hold.card)
        if hold.credit:
            account.coming += said.part
        else:
            account.held += said.part
            account.owed_pending += said.owed

    def reverse(self, said):
        """Lets go of all but the rest; of what nobody has seen, it forbids the original."""
        hold = self._holds.get(said.original)
        if hold is None:
            hold = self._holds[said.original] = Hold(-1, said.day, state="AHEAD")
        assert said.code == "00", f"{said}"
        released = 0
        if hold.state == "OPEN":
            released = self._let_go(hold, said.rest, "REVERSED", said)
        elif hold.state == "STOOD_IN":
            released = self._forget(hold, said.rest, said)
        assert said.approved == released, f"{said} released {said.approved}, not {released}"

    def expire(self, said):
        """The core's own: lets go of all."""
        hold = self._holds[said.original]
        assert hold.state == "OPEN", f"{said} of what is {hold.state}"
        self._let_go(hold, 0, "EXPIRED", said)

    def disown(self, said):
        """The core's own: 91 stands, which its sender was told before there was an answer, or before a turn took it."""
        hold = self._holds.setdefault(said.original, Hold(said.card, said.day))
        assert said.code == "00", f"{said}"
        if hold.state == "OPEN":
            self._let_go(hold, 0, "DONE", said)
        elif hold.state == "STOOD_IN":
            self._forget(hold, 0, said)
        hold.state = "DONE"

    def increment(self, said):
        """One more part, or none."""
        hold = self._holds.get(said.original)
        if hold is None:
            assert said.code == "25", f"{said} of nothing"
            return
        if hold.state == "AHEAD":
            assert said.code == "12", f"{said} of what must not be"
            return
        card_codes = self._codes_of_card(said, of=hold.card, message=False) - {""}
        if hold.state != "OPEN" or hold.credit:
            assert said.code in card_codes | {"12"}, f"{said} of what is {hold.state}"
            return
        total = hold.held + hold.owed
        more = said.amount - total if said.cumulative else said.amount
        if said.code in card_codes:
            return
        if more < 0:
            assert said.code == "13", f"{said} to less than the {total} it has"
            return
        assert said.code in ("00", "51", "61", "65"), f"{said}"
        said.card = hold.card
        if said.code != "00":
            if said.code == "51":
                self._consume(said, 0, said.to_s, said.original, amount=more)
                lowest = self._balances.lowest(account_of(hold.card), said.from_s, said.to_s)
                assert lowest < more, f"{said} with never less than {lowest} available"
            return
        hold.held += more
        self._account(hold.card).held += more
        assert said.approved == total + more, f"{said} approved {said.approved}"
        if more:
            self._consume(said, more, float("inf"), said.original, amount=more)

    def advise(self, said):
        """What the network answered in our stead stands."""
        hold = self._holds.get(said.original)
        approved = said.given in ("00", "10")
        if hold is not None and hold.state == "OPEN":
            assert said.code == "00", f"{said}"
            if not approved:
                released = self._let_go(hold, 0, "REVERSED", said)
                assert said.released == released, f"{said} released {said.released}, not {released}"
            return
        if hold is not None and hold.state == "STOOD_IN":
            assert said.code == "00", f"{said}"
            released = 0 if approved else self._forget(hold, 0, said)
            assert said.released == released, f"{said} released {said.released}, not {released}"
            return
        if hold is not None and hold.state != "DONE":
            assert said.code in ("00", "14"), f"{said} of what is {hold.state}"
            return
        unknown = hold is None
        if unknown:
            hold = self._holds[said.original] = Hold(said.card, said.day)
        if not 0 <= said.card < CARDS:
            assert said.code == "14", f"{said} of no card"
            return
        moves = approved and said.kind != TransactionType.ACCOUNT_STATUS
        # Of an original that had been forbidden nothing is made.
        if said.code == "00" and moves and said.approved:
            assert said.approved == said.amount == said.part + said.owed, f"{said} split wrongly"
            hold.state, hold.held, hold.owed = "OPEN", said.part, said.owed
            hold.credit, hold.card = said.kind in CREDITS, said.card
            account = self._account(said.card)
            if hold.credit:
                account.coming += said.part
            else:
                account.held += said.part
                account.owed_pending += said.owed
                self._consume(said, said.amount, float("inf"), said.original)
            return
        assert said.code == "00", f"{said}"
        if moves:
            first = self._by_key.get(said.original)
            assert first is not None and first.code == "05", f"{said}: nothing was held for it"

    def clear(self, said):
        """Money moves, whatever is held."""
        hold = self._holds.get(said.original)
        card = said.card
        if hold is not None and 0 <= hold.card < CARDS:
            card = hold.card
        if not 0 <= card < CARDS:
            assert said.code == "14", f"{said} of no card"
            return
        assert said.code == "00" and said.approved == said.amount, f"{said} approved {said.approved}"
        account = self._account(card)
        if hold is not None and hold.state == "STOOD_IN" and (hold.credit or not said.credit):
            account.net += said.amount if hold.credit else -said.amount
            left = 0 if said.final else max(0, hold.promised - said.amount)
            released = max(0, hold.promised - left - said.amount)
            assert said.released == released, f"{said} released {said.released}, not {released}"
            hold.captured += said.amount
            hold.promised = left
            hold.state = "STOOD_IN" if left else "CLEARED"
            self._give_back(said.original, released)
            self._spend(hold, -released, 0, said)
            return
        if hold is not None and hold.state == "OPEN" and hold.credit:
            account.net += said.amount
            account.coming -= hold.held
            hold.held = 0 if said.final else max(0, hold.held - said.amount)
            account.coming += hold.held
            hold.captured += said.amount
            if not hold.held:
                hold.state = "CLEARED"
            return
        if said.credit:
            account.net += said.amount
            return
        account.net -= said.amount
        if hold is None or hold.state != "OPEN":
            assert 0 <= said.overdrawn <= said.amount, f"{said} overdrew {said.overdrawn}"
            return
        total = hold.held + hold.owed
        from_held = min(said.amount, hold.held)
        from_owed = min(said.amount - from_held, hold.owed)
        excess = said.amount - from_held - from_owed
        assert from_owed <= said.overdrawn <= from_owed + excess, f"{said} overdrew {said.overdrawn}"
        rest = 0 if said.final else max(0, total - said.amount)
        self._hold_again(hold, min(rest, hold.held - from_held), rest)
        hold.captured += said.amount
        assert said.released == max(0, total - said.amount) - rest, f"{said} released {said.released}"
        self._give_back(said.original, said.released)
        if not rest:
            hold.state = "CLEARED"

    def open_keys(self):
        """The keys of what holds something."""
        return {key for key, hold in self._holds.items() if hold.state == "OPEN"}

    def check_expired(self):
        """Nothing is held any more whose time is over."""
        today = self._world.clock_ns() // 10**9 // DAY_S
        for key in self.open_keys():
            assert self._holds[key].day == today, f"{key} is held for ever"

    def check_booked(self):
        """What was approved without the ledger is in it by now."""
        waiting = [key for key, hold in self._holds.items() if hold.state == "STOOD_IN"]
        assert not waiting, f"{waiting} were approved and are not booked"

    def check_books(self):
        """Every account has what it should, every hold is somebody's, and nothing is lost between them."""
        ids, totals = self._world.bank.state, self._world.bank.state.totals()
        assert all(total.balanced for total in totals.values()), f"the books don't balance: {totals}"
        for number in {int(account_of(card)) for card in range(CARDS)}:
            own = self._found(ids, AccountCode.CARDHOLDER, number)
            owed = self._found(ids, AccountCode.RECEIVABLE, number)
            should = self._accounts[number]
            has = Account(
                net=own["credits_posted"]
                - own["debits_posted"]
                + owed["credits_posted"]
                - owed["debits_posted"],
                held=own["debits_pending"],
                coming=own["credits_pending"],
                owed_pending=owed["debits_pending"],
            )
            assert has == should, f"account {number} has {has}, not {should}"
        control = self._found(ids, AccountCode.CONTROL, HOUSE)
        assert control["debits_posted"] == control["credits_posted"], "money is left where legs meet"

    def _found(self, state, code, number):
        accounts = state.lookup_accounts(account_id(code, USD, number))
        names = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
        return {name: sum(int(a[f"{name}_lo"]) for a in accounts) for name in names}

    def _account(self, card):
        return self._accounts[int(account_of(card))]

    def _let_go(self, hold, rest, state, said):
        total = hold.held + hold.owed
        if rest >= total:
            return 0
        self._hold_again(hold, min(rest, hold.held), rest)
        if not rest:
            hold.state = "CLEARED" if hold.captured and state == "REVERSED" else state
        self._give_back(said.original, total - rest)
        return total - rest

    def _forget(self, hold, rest, said):
        """Of what stood in and is not booked, no more than the rest will be."""
        released = max(0, hold.promised - rest)
        hold.promised -= released
        if not hold.promised:
            hold.state = "CLEARED" if hold.captured else "REVERSED"
        self._give_back(said.original, released)
        self._spend(hold, -released, -1 if hold.state == "REVERSED" else 0, said)
        return released

    def _hold_again(self, hold, held, rest):
        account = self._account(hold.card)
        if hold.credit:
            account.coming += held - hold.held
        else:
            account.held += held - hold.held
            account.owed_pending += rest - held - hold.owed
        hold.held, hold.owed = held, rest - held

    def _codes_of_card(self, said, of=None, *, message=True):
        """What the card's own facts may answer; empty where they need not."""
        card = said.card if of is None else of
        if not 0 <= card < CARDS:
            return {"14"}
        states = self._facts.possible(self._facts.states[card], said.from_s, said.to_s)
        codes = {STATE_CODES[state] for state in states}
        if message and said.kind in CREDITS:
            codes = {code if code == "46" else "" for code in codes}
        return codes

    def _check_refused(self, said):
        """A limit may refuse only what would pass it."""
        most, count, _, _ = self._consumed_of(said)
        if said.amount > TRANSACTION_MAX_MINOR and said.code == "61":
            return
        ceilings = self._facts.possible(self._facts.ceilings, said.from_s, said.to_s)
        if said.code == "61":
            assert most + said.amount > min(c.amount_minor for c in ceilings), f"{said} after {most} at most"
        else:
            single = said.card == SINGLE_USE_CARD and count
            assert single or count + 1 > min(c.count for c in ceilings), f"{said} after {count} at most"

    def _check_within(self, said):
        """What is not refused lies within every limit."""
        assert said.amount <= TRANSACTION_MAX_MINOR, f"{said}"
        _, _, least, fewest = self._consumed_of(said)
        ceilings = self._facts.possible(self._facts.ceilings, said.from_s, said.to_s)
        assert least + said.amount <= max(c.amount_minor for c in ceilings), f"{said} after {least} at least"
        assert fewest + 1 <= max(c.count for c in ceilings), f"{said} after {fewest} at least"
        if said.card == SINGLE_USE_CARD:
            assert not fewest, f"{said}: the card is for one use"

    def _consumed_of(self, said):
        """In its card's day, or ever where the card is for one use: amount and count at most, and at least."""
        most = count = least = fewest = 0
        ever = said.card == SINGLE_USE_CARD
        for taken in self._consumed[said.card]:
            if taken.day != said.day and not ever:
                continue
            if taken.over_s >= said.from_s:
                most += taken.amount
                count += 1
            least += taken.kept if taken.day == said.day else 0
            fewest += taken.counts and taken.kept > 0
        return most, count, least, fewest

    def _spend(self, hold, amount, count, said):
        """Of what a card may have in a day without the ledger; what nobody has booked is given back."""
        if not hold.credit:
            spent = self._decided[said.sequence], amount, count, said
            self._spent[hold.card, hold.day].append(spent)

    def _check_stand_in(self):
        """Within its limits, in the order of the answers: what is asked first may be answered later."""
        for spent in self._spent.values():
            total = stood_in = 0
            for _, amount, count, said in sorted(spent, key=itemgetter(0)):
                if count > 0:
                    assert stood_in < STAND_IN.count_max, f"{said} in stand-in after {stood_in}"
                    assert total + amount <= STAND_IN.sum_max_minor, f"{said} in stand-in after {total}"
                total += amount
                stood_in += count

    def _consume(self, said, kept, over_s, authorization=None, amount=None):
        counts = said.operation == Operation.AUTHORIZE
        taken = Consumed(said.amount if amount is None else amount, kept, over_s, counts, said.day)
        self._consumed[said.card].append(taken)
        authorization = said.key if authorization is None else authorization
        self._parts_of[authorization].append(taken)

    def _give_back(self, authorization, amount):
        """What was reserved last is given back first; whether the count is, is left open."""
        for taken in reversed(self._parts_of.get(authorization, [])):
            given = min(amount, taken.kept)
            taken.kept -= given
            amount -= given
