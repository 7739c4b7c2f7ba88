"""The lives of holds in plain Python: what each message must answer, and what every account has after it."""

from dataclasses import dataclass, field

import numpy as np

from ledger.chart import HOUSE, AccountCode, account_id
from server.core.record import Operation, TransactionType
from tests.server.core.scene import NOON_S, USD, purchase

HOLD_S = 7 * 86_400


def message(operation, original, **fields):
    """One REQUEST about an authorization."""
    request = purchase(
        **({"transaction_type": 0, "amount_minor": 0, "card_key": 0, "card_reference": 0} | fields)
    )
    request["operation"] = operation
    request["original_id"] = original["authorization_id"]
    if operation == Operation.INCREMENT:
        request["transaction_type"] = TransactionType.PURCHASE
    request["content"] = [
        [int(operation), sum(int(request[name][0]) for name in ("amount_minor", "remaining_minor"))]
    ]
    return request


def increment(original, amount_minor, **fields):
    """One that raises the hold."""
    return message(Operation.INCREMENT, original, amount_minor=amount_minor, **fields)


def reverse(original, remaining_minor=0, **fields):
    """One that lets go of it."""
    return message(Operation.REVERSE, original, remaining_minor=remaining_minor, **fields)


def clear(original, amount_minor, final=1, **fields):
    """One that presents the amount."""
    return message(Operation.CLEAR, original, amount_minor=amount_minor, final=final, **fields)


def advise(original, code=b"00", **fields):
    """One that tells what the network answered to `original`."""
    request = original.copy()
    request["operation"] = Operation.ADVISE
    request["original_id"] = original["authorization_id"]
    request["authorization_id"] = purchase()["authorization_id"]
    request["given_code"], request["given_authorization_code"] = code, b"ABC123"
    for name, value in fields.items():
        request[name] = value
    return request


def expire(original):
    """The core's own."""
    request = message(Operation.EXPIRE, original)
    request["transmission_s"] = NOON_S + HOLD_S
    return request


@dataclass
class Account:
    """What one cardholder has, owes, and has pending."""

    posted: int
    owed: int = 0
    coming: int = 0  # pending credits
    owed_pending: int = 0
    held: int = 0

    @property
    def available(self):
        return self.posted - self.held


@dataclass
class Hold:
    """One authorization."""

    account: Account
    state: str = "OPEN"
    held: int = 0
    owed: int = 0
    captured: int = 0
    credit: bool = False


@dataclass
class Lives:
    """All of them; every method returns (code, approved, released, overdrawn) as the DECISION has them."""

    opening_minor: int
    accounts: dict = field(default_factory=dict)
    holds: dict = field(default_factory=dict)
    settled: int = 0

    def account(self, card):
        return self.accounts.setdefault(card, Account(self.opening_minor))

    def authorize(self, key, card, amount, *, partial=False, credit=False):
        account = self.account(card)
        hold = self.holds.setdefault(key, Hold(account, credit=credit))
        if credit:
            hold.held = amount
            account.coming += amount
            return "00", amount, 0, 0
        taken = amount if amount <= account.available else (account.available if partial else 0)
        if taken <= 0:
            hold.state = "DONE"
            return "51", 0, 0, 0
        hold.held = taken
        account.held += taken
        return ("00" if taken == amount else "10"), taken, 0, 0

    def increment(self, key, amount, *, cumulative=False):
        hold = self.holds.get(key)
        if hold is None:
            return "25", 0, 0, 0
        if hold.state != "OPEN" or hold.credit:
            return "12", 0, 0, 0
        total = hold.held + hold.owed
        more = amount - total if cumulative else amount
        if more < 0:
            return "13", 0, 0, 0
        if more > hold.account.available:
            return "51", 0, 0, 0
        hold.held += more
        hold.account.held += more
        return "00", hold.held + hold.owed, 0, 0

    def reverse(self, key, remaining=0):
        hold = self.holds.get(key)
        if hold is None or hold.state != "OPEN":
            return "00", 0, 0, 0
        return "00", self._let_go(hold, remaining, "REVERSED"), 0, 0

    def expire(self, key):
        hold = self.holds[key]
        if hold.state == "OPEN":
            self._let_go(hold, 0, "EXPIRED")

    def clear(self, key, amount, card=None, *, final=True, credit=False):
        hold = self.holds.get(key)
        account = hold.account if hold else self.account(card)
        if credit and not (hold and hold.state == "OPEN" and hold.credit):
            self._come_in(account, amount)
            return "00", amount, 0, 0
        if hold is None or hold.state != "OPEN":
            return "00", amount, 0, self._force(account, amount)
        if hold.credit:
            return self._capture_credit(hold, amount, final)
        total = hold.held + hold.owed
        from_held = min(amount, hold.held)
        from_owed = min(amount - from_held, hold.owed)
        account.posted -= from_held
        account.held -= hold.held
        account.owed += from_owed
        account.owed_pending -= hold.owed
        self.settled += from_held + from_owed
        rest = 0 if final else max(0, total - amount)
        again = min(rest, hold.held - from_held)
        hold.held, hold.owed = again, rest - again
        account.held += hold.held
        account.owed_pending += hold.owed
        overdrawn = from_owed + self._force(account, amount - from_held - from_owed)
        hold.captured += amount
        if rest == 0:
            hold.state = "CLEARED"
        return "00", amount, max(0, total - amount) - rest, overdrawn

    def advise(self, key, card, amount, code="00"):
        hold = self.holds.get(key)
        approved = code in ("00", "10")
        if hold is not None and hold.state == "OPEN":
            if approved:
                return "00", 0, 0, 0
            return "00", 0, self._let_go(hold, 0, "REVERSED"), 0
        if hold is not None and hold.state != "DONE":
            return "00", 0, 0, 0
        if hold is None:
            hold = self.holds[key] = Hold(self.account(card), state="DONE")
        if not approved:
            return "00", 0, 0, 0
        account = hold.account
        hold.state = "OPEN"
        hold.held = max(0, min(amount, account.available))
        hold.owed = amount - hold.held
        account.held += hold.held
        account.owed_pending += hold.owed
        return "00", amount, 0, 0

    def _let_go(self, hold, remaining, state):
        total = hold.held + hold.owed
        if remaining >= total:
            return 0
        again = min(remaining, hold.held)
        if hold.credit:
            hold.account.coming += again - hold.held
        else:
            hold.account.held += again - hold.held
            hold.account.owed_pending += remaining - again - hold.owed
        hold.held, hold.owed = again, remaining - again
        if remaining == 0:
            hold.state = "CLEARED" if hold.captured and state == "REVERSED" else state
        return total - remaining

    def _capture_credit(self, hold, amount, final):
        account, total = hold.account, hold.held
        account.coming -= total
        self._come_in(account, amount)
        hold.held = 0 if final else max(0, total - amount)
        account.coming += hold.held
        hold.captured += amount
        if not hold.held:
            hold.state = "CLEARED"
        return "00", amount, max(0, total - amount) - hold.held, 0

    def _come_in(self, account, amount):
        self.settled -= amount
        repaid = min(amount, account.owed)
        account.owed -= repaid
        account.posted += amount - repaid

    def _force(self, account, amount):
        paid = max(0, min(amount, account.available))
        account.posted -= paid
        account.owed += amount - paid
        self.settled += amount
        return amount - paid


async def books_of(ledger, cards):
    """What the ledger says: (posted, held, coming, owed, owed pending) of each card's account, and of the house's."""
    numbers = [100 + card for card in cards]
    found = {}
    for code in (AccountCode.CARDHOLDER, AccountCode.RECEIVABLE):
        for account in await ledger.lookup_accounts(account_id(code, USD, np.array(numbers, np.uint64))):
            found[code, int(account["id_lo"])] = account
    said = {}
    for card, number in zip(cards, numbers, strict=True):
        own = found[AccountCode.CARDHOLDER, number]
        owed = found.get((AccountCode.RECEIVABLE, number), np.zeros(1, own.dtype)[0])
        said[card] = (
            int(own["credits_posted_lo"]) - int(own["debits_posted_lo"]),
            int(own["debits_pending_lo"]),
            int(own["credits_pending_lo"]),
            int(owed["debits_posted_lo"]) - int(owed["credits_posted_lo"]),
            int(owed["debits_pending_lo"]),
        )
    house = {}
    for code in (AccountCode.CONTROL, AccountCode.SETTLEMENT, AccountCode.FUNDING):
        account = (await ledger.lookup_accounts(account_id(code, USD, HOUSE)))[0]
        house[code] = int(account["credits_posted_lo"]) - int(account["debits_posted_lo"])
    return said, house
