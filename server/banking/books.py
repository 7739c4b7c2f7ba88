"""The ledger's accounts of a holder: made where they are missing, and read as one balance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ledger.book import Ledger
from ledger.chart import (
    AccountCode,
    account_id,
    cardholder_accounts,
    credit_line_accounts,
    opening,
    receivable_accounts,
)
from ledger.transfer import Accounts, CreateAccountStatus


@dataclass(frozen=True, slots=True)
class Balance:
    """What is on an account, in minor units of its currency. See the contract's Balance for the meaning of each."""

    current_minor: int
    pending_out_minor: int
    pending_in_minor: int
    available_minor: int
    overdraft_minor: int
    owed_minor: int
    credit_limit_minor: int


class HolderBooks:
    """Accounts of the ledger by the numbers of holders' accounts."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._houses: set[int] = set()

    async def open_house(self, currency: int) -> None:
        """The institution's own accounts in a currency, where nobody has made them."""
        if currency not in self._houses:
            await self._make(opening(currency))
            self._houses.add(currency)

    async def open_holder(self, number: int, currency: int) -> None:
        """A holder's account, and what he may come to owe."""
        await self.open_house(currency)
        await self._make(cardholder_accounts([number], currency))
        await self.open_receivable(number, currency)

    async def open_receivable(self, number: int, currency: int) -> None:
        """What the holder may come to owe."""
        await self._make(receivable_accounts([number], currency))

    async def open_credit_line(self, number: int, currency: int) -> None:
        """What he may be lent."""
        await self._make(credit_line_accounts([number], currency))

    async def owes(self, number: int, currency: int) -> bool:
        """Whether this holder owes something now: then a deposit goes to it first."""
        found = await self.ledger.lookup_accounts(account_id(AccountCode.RECEIVABLE, currency, number))
        return any(_posted(account) < 0 for account in found)

    async def balance(self, number: int, currency: int) -> Balance:
        """One look at all that a holder has with us; zeros for what the ledger has not seen."""
        codes = (AccountCode.CARDHOLDER, AccountCode.RECEIVABLE, AccountCode.CREDIT_LINE)
        ids = np.concatenate([account_id(code, currency, number) for code in codes])
        found = await self.ledger.lookup_accounts(ids)
        by_code = {int(account["code"]): account for account in found}
        lent = -_posted(by_code.get(AccountCode.CREDIT_LINE))
        owed = -_posted(by_code.get(AccountCode.RECEIVABLE))
        own = by_code.get(AccountCode.CARDHOLDER)
        posted = _posted(own)
        going = 0 if own is None else int(own["debits_pending_lo"])
        coming = 0 if own is None else int(own["credits_pending_lo"])
        return Balance(
            current_minor=posted - lent,
            pending_out_minor=going,
            pending_in_minor=coming,
            available_minor=posted - going,
            overdraft_minor=max(0, lent - posted),
            owed_minor=owed,
            credit_limit_minor=lent,
        )

    async def _make(self, accounts: Accounts) -> None:
        statuses: NDArray[np.uint32] = (await self.ledger.create_accounts(accounts))["status"]
        good = (CreateAccountStatus.CREATED, CreateAccountStatus.EXISTS)
        if not np.isin(statuses, good).all():
            raise RuntimeError(f"the ledger refused to open an account: statuses {set(statuses.tolist())}")


def _posted(account: np.void | None) -> int:
    """Credits less debits."""
    if account is None:
        return 0
    return int(account["credits_posted_lo"]) - int(account["debits_posted_lo"])
