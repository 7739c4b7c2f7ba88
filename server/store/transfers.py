"""Transfers in PostgreSQL: written before the ledger is asked, moved from state to state by whoever comes first."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from server.keys import Keys
from server.store.database import Database
from server.store.holdings import KeyReused
from server.store.queries import query

_DETAILS: Final = "transfers.details"


@dataclass(frozen=True, slots=True)
class Details:
    """Who and why: what is sealed. Of what was not given, an empty text."""

    counterparty: dict[str, str] = field(default_factory=dict)  # name, account, bank_name, address
    holder_address: str = ""
    conductor: dict[str, str] = field(
        default_factory=dict
    )  # name, address, birth_date, id_type, id_number, id_country
    purpose: str = ""
    branch: str = ""  # of cash: where it changes hands

    @property
    def text(self) -> str:
        """As it is sealed: JSON, keys in order."""
        names = ("counterparty", "holder_address", "conductor", "purpose", "branch")
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """A transfer as asked for, checked and priced. Amounts in minor units, currencies and countries by ISO number."""

    id: UUID
    sender: int
    idempotency_key: str
    request_digest: bytes
    kind: str
    direction: str
    account_number: int
    payee_account: int | None
    amount_minor: int
    currency: int
    payer_minor: int
    payer_currency: int
    payee_minor: int
    payee_currency: int
    fee_minor: int
    usd_minor: int | None
    rate_billionths: int
    spread_bps: int
    rate_day: date | None
    counterparty_country: int
    counterparty_bank: str
    details: Details
    review_reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredTransfer(NewTransfer):
    """A transfer and where it stands."""

    state: str
    reason: str
    decision: str | None
    decided_by: str
    decision_reason: str
    decided_at: datetime | None
    reversal_id: UUID | None
    reversal_reason: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A state that a transfer was brought to."""

    state: str
    actor: str
    reason: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transfers to list; what is None does not filter. `older_than` is the last one's time and id."""

    account_number: int | None = None
    kind: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    amount_min_minor: int | None = None
    amount_max_minor: int | None = None
    older_than: tuple[datetime, UUID] | None = None


class Transfers:
    """Reads and moves transfers."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def add(self, new: NewTransfer) -> tuple[StoredTransfer, bool]:
        """The transfer, and whether its key was known before. Raises KeyReused where that said something else."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(
                query("add_transfer"),
                new.id,
                new.sender,
                new.idempotency_key,
                new.request_digest,
                new.kind,
                new.direction,
                new.account_number,
                new.payee_account,
                new.amount_minor,
                new.currency,
                new.payer_minor,
                new.payer_currency,
                new.payee_minor,
                new.payee_currency,
                new.fee_minor,
                new.usd_minor,
                new.rate_billionths,
                new.spread_bps,
                new.rate_day,
                new.counterparty_country,
                new.counterparty_bank,
                self._keys.seal(_DETAILS, new.details.text),
                list(new.review_reasons),
            )
        if row is not None:
            return self._stored(row), False
        known = await self.find_by_key(new.sender, new.idempotency_key, new.request_digest)
        assert known is not None, "rows are never deleted"
        return known, True

    async def find_by_key(self, sender: int, key: str, digest: bytes) -> StoredTransfer | None:
        """The transfer of this sender and key. Raises KeyReused where it was asked for in other words."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("find_transfer_by_key"), sender, key)
        if row is None:
            return None
        if row["request_digest"] != digest:
            raise KeyReused(
                f"transfer {row['id'].hex} was asked for under this idempotency key by another request"
            )
        return self._stored(row)

    async def find(self, identifier: UUID) -> StoredTransfer | None:
        """The transfer of that id."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("find_transfer"), identifier)
        return None if row is None else self._stored(row)

    async def events(self, identifier: UUID) -> list[Event]:
        """What became of it, in order."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("transfer_events"), identifier)
        return [Event(**dict(row)) for row in rows]

    async def move(
        self, identifier: UUID, before: str, after: str, reason: str = ""
    ) -> StoredTransfer | None:
        """From one state to another; None where somebody else has moved it."""
        return await self._change("move_transfer", identifier, before, after, reason)

    async def decide(
        self, identifier: UUID, decision: str, decided_by: str, reason: str
    ) -> StoredTransfer | None:
        """Note a decision; None where it does not wait for one any more."""
        return await self._change("decide_transfer", identifier, decision, decided_by, reason)

    async def begin_reversal(self, identifier: UUID, reversal_id: UUID, reason: str) -> StoredTransfer | None:
        """Note that it is to be reversed; None where it is not posted."""
        return await self._change("begin_reversal", identifier, reversal_id, reason)

    async def under_way(self, before: datetime, count_max: int) -> list[StoredTransfer]:
        """What the ledger has yet to answer, not changed since then; the longest waiting first."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("transfers_under_way"), before, count_max)
        return [self._stored(row) for row in rows]

    async def list(self, wanted: Wanted, count_max: int) -> list[StoredTransfer]:
        """The newest first."""
        older_time, older_id = wanted.older_than or (None, None)
        async with self._database.acquire() as connection:
            rows = await connection.fetch(
                query("list_transfers"),
                wanted.account_number,
                wanted.kind,
                wanted.state,
                wanted.since,
                wanted.until,
                wanted.amount_min_minor,
                wanted.amount_max_minor,
                older_time,
                older_id,
                count_max,
            )
        return [self._stored(row) for row in rows]

    async def _change(self, name: str, *arguments: Any) -> StoredTransfer | None:
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query(name), *arguments)
        return None if row is None else self._stored(row)

    def _stored(self, row: Any) -> StoredTransfer:
        fields = dict(row)
        fields["details"] = Details(**json.loads(self._keys.unseal(_DETAILS, fields["details"])))
        fields["review_reasons"] = tuple(fields["review_reasons"])
        return StoredTransfer(**fields)
