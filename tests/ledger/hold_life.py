"""The life of a hold in plain Python: what accounts have after each move on it. The twin of `ledger.chains`."""

from dataclasses import dataclass, field

from ledger.chains import Kind, MoveOutcome


@dataclass
class Account:
    """What one cardholder has in one currency."""

    posted: int = 0
    held: int = 0
    coming: int = 0  # credits that are pending
    owed: int = 0
    owed_pending: int = 0
    funded: int = 0
    spent: int = 0  # what settlement got for it, less what it gave

    @property
    def available(self):
        return self.posted - self.held

    def seen(self):
        """(posted, held, coming, owed, owed pending), as the ledger's accounts show them."""
        return self.posted, self.held, self.coming, self.owed, self.owed_pending

    def assert_conserved(self):
        """Posted + pending + available = funded + overdrawn, and no more is available than there is."""
        assert self.spent + self.held + self.available == self.funded + self.owed
        assert min(self.available, self.held, self.coming, self.owed, self.owed_pending) >= 0


@dataclass(eq=False)
class Part:
    """What one message left pending, until it is resolved."""

    message: tuple
    held: int
    owed: int = 0
    credit: bool = False
    live: bool = True
    attempt: int = 0  # under which the ledger has it


@dataclass(eq=False)
class Hold:
    """One authorization."""

    authorization: tuple
    account: Account
    number: int
    currency: int
    credit: bool = False
    parts: list = field(default_factory=list)

    @property
    def total(self):
        return sum(part.held + part.owed for part in self.parts)


@dataclass(eq=False)
class Wish:
    """One message that moves something: on the parts that it saw."""

    message: tuple
    hold: Hold
    kind: Kind
    amount: int = 0
    rest: int = 0
    owes: bool = True
    parts: list = field(default_factory=list)
    outcome: MoveOutcome = MoveOutcome.REFUSED
    overdrawn: int = 0
    left: Part | None = None


def place(hold, message, amount, *, partial=False):
    """One more part where there is money for it, or for some of it; what is held, None for nothing."""
    account = hold.account
    taken = min(amount, account.available) if partial else amount
    if taken > account.available:
        return None
    account.held += taken
    hold.parts.append(Part(message, taken))
    return taken


def advise(hold, message, amount):
    """The whole amount stands, beyond the balance as owed; what is held of it."""
    held = place(hold, message, amount, partial=True)
    hold.parts[-1].owed = amount - held
    hold.account.owed_pending += amount - held
    return held


def come(hold, message, amount):
    """Money that comes in, pending."""
    hold.account.coming += amount
    hold.parts.append(Part(message, amount, credit=True))


def lose(part, account):
    """A part that ends behind the caller's back."""
    part.live = False
    if part.credit:
        account.coming -= part.held
    else:
        account.held -= part.held
        account.owed_pending -= part.owed


def carry(wishes):
    """
    Carry out wishes that come together: in order, but that one which finds a part gone waits until the others are done,
    and goes without it.
    """
    todo = list(wishes)
    while todo:
        later = []
        for wish in todo:
            sides = [part for part in wish.parts if part.held] + [part for part in wish.parts if part.owed]
            gone = next((part for part in sides if not part.live), None)
            if gone is None:
                _move(wish)
            else:
                wish.parts.remove(gone)
                later.append(wish)
        todo = later
    for wish in wishes:
        wish.hold.parts = [part for part in wish.hold.parts if part.live]


def _move(wish):
    account = wish.hold.account
    wish.outcome = MoveOutcome.DONE
    if wish.kind == Kind.FORCE:
        wish.overdrawn = _force(account, wish.amount)
    elif wish.kind == Kind.CREDIT:
        _come_in(account, wish.amount, owes=wish.owes)
    elif wish.hold.credit:
        _move_credit(wish)
    else:
        _move_debit(wish)


def _move_debit(wish):
    account = wish.hold.account
    held, owed = sum(part.held for part in wish.parts), sum(part.owed for part in wish.parts)
    if wish.kind == Kind.REGROW and wish.rest - owed > account.available + held:
        wish.outcome = MoveOutcome.INSUFFICIENT
        return
    for part in wish.parts:
        lose(part, account)
    asked = wish.amount if wish.kind == Kind.CAPTURE else 0
    paid = min(asked, held)
    charged = min(asked - paid, owed)
    account.posted -= paid
    account.owed += charged
    account.spent += paid + charged
    if wish.kind == Kind.REGROW:
        _leave(wish, wish.rest - owed, owed)
    else:
        again = min(wish.rest, held - paid)
        _leave(wish, again, min(wish.rest - again, owed - charged))
    wish.overdrawn = charged + _force(account, asked - paid - charged)


def _move_credit(wish):
    account = wish.hold.account
    held = sum(part.held for part in wish.parts)
    for part in wish.parts:
        lose(part, account)
    asked = wish.amount if wish.kind == Kind.CAPTURE else 0
    _come_in(account, asked, owes=wish.owes)
    _leave(wish, min(wish.rest, max(0, held - asked)), 0)


def _leave(wish, held, owed):
    """What is held again is a part of the message's own."""
    if held or owed:
        wish.left = Part(wish.message, held, owed, wish.hold.credit)
        wish.hold.parts.append(wish.left)
        if wish.hold.credit:
            wish.hold.account.coming += held
        else:
            wish.hold.account.held += held
            wish.hold.account.owed_pending += owed


def _force(account, amount):
    """Settlement gets it all: from the balance, then as owed; what is owed."""
    paid = min(amount, account.available)
    account.posted -= paid
    account.owed += amount - paid
    account.spent += amount
    return amount - paid


def _come_in(account, amount, *, owes):
    """What is owed is paid first."""
    repaid = min(amount, account.owed) if owes else 0
    account.owed -= repaid
    account.posted += amount - repaid
    account.spent -= amount
