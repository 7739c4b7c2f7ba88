"""
A ledger as plain Python: dictionaries, whole numbers, and the rules in TigerBeetle's order of precedence.

The kernels' twin. It is slow and obvious; a chain that fails is undone by going back to a copy.
"""

from dataclasses import dataclass, field

import numpy as np

from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_BALANCE,
    BATCH_MAX,
    RESULT,
    TRANSFER,
    TRANSIENT,
    AccountFilterFlags,
    AccountFlags,
    CreateAccountStatus,
    CreateTransferStatus,
    PendingState,
    QueryFilterFlags,
    TransferFlags,
)

A = CreateAccountStatus
T = CreateTransferStatus
AF = AccountFlags
TF = TransferFlags

MAX = 2**128 - 1
WIDE = {name[:-3] for name in (*ACCOUNT.names, *TRANSFER.names) if name.endswith("_lo")}
POST_OR_VOID = TF.POST_PENDING_TRANSFER | TF.VOID_PENDING_TRANSFER
NOT_WITH_POST_OR_VOID = (
    TF.PENDING | TF.BALANCING_DEBIT | TF.BALANCING_CREDIT | TF.CLOSING_DEBIT | TF.CLOSING_CREDIT
)
IMPORTS = {True: A.IMPORTED_EVENT_EXPECTED, False: T.IMPORTED_EVENT_EXPECTED}


def to_dict(record) -> dict[str, int]:
    """A record as a dictionary of whole numbers, u128 fields joined."""
    fields: dict[str, int] = {}
    for name in record.dtype.names:
        if name.endswith("_lo") and name[:-3] in WIDE:
            fields[name[:-3]] = int(record[name]) | int(record[f"{name[:-3]}_hi"]) << 64
        elif not (name.endswith("_hi") and name[:-3] in WIDE):
            fields[name] = int(record[name])
    return fields


def filter_of(wanted: np.ndarray) -> dict[str, int]:
    """One ACCOUNT_FILTER or QUERY_FILTER as a dictionary, `reserved` true where anything stands there."""
    record = wanted[0]
    fields = {name: int(record[name]) for name in wanted.dtype.names if name != "reserved"}
    for name in ("account_id", "user_data_128"):
        if f"{name}_lo" in fields:
            fields[name] = fields.pop(f"{name}_lo") | fields.pop(f"{name}_hi") << 64
    return {**fields, "reserved": bool(record["reserved"].any())}


def to_record(fields: dict[str, int], dtype) -> np.ndarray:
    """The other way round."""
    record = np.zeros((), dtype)
    for name, value in fields.items():
        if name in WIDE:
            record[f"{name}_lo"] = value & (2**64 - 1)
            record[f"{name}_hi"] = value >> 64
        else:
            record[name] = value
    return record


def to_array(rows: list[dict[str, int]], dtype) -> np.ndarray:
    array = np.zeros(len(rows), dtype)
    for i, fields in enumerate(rows):
        array[i] = to_record(fields, dtype)
    return array


@dataclass
class Content:
    """What a chain may have to go back to."""

    accounts: dict[int, dict[str, int]] = field(default_factory=dict)
    transfers: dict[int, dict[str, int]] = field(default_factory=dict)
    pending: dict[int, PendingState] = field(default_factory=dict)
    balances: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)  # by account and transfer

    def copied(self) -> "Content":
        # A stored transfer never changes; an account does.
        accounts = {id_: dict(account) for id_, account in self.accounts.items()}
        return Content(accounts, dict(self.transfers), dict(self.pending), dict(self.balances))


class NaiveLedger:
    def __init__(self) -> None:
        self.content = Content()
        self.burnt: set[int] = set()

    def accounts(self) -> np.ndarray:
        return to_array(list(self.content.accounts.values()), ACCOUNT)

    def transfers(self) -> np.ndarray:
        return to_array(list(self.content.transfers.values()), TRANSFER)

    def account_transfers(self, wanted: np.ndarray) -> np.ndarray:
        return to_array(self._of_account(filter_of(wanted)), TRANSFER)

    def account_balances(self, wanted: np.ndarray) -> np.ndarray:
        f = filter_of(wanted)
        account = self.content.accounts.get(f["account_id"])
        if account is None or not account["flags"] & AF.HISTORY:
            return np.zeros(0, ACCOUNT_BALANCE)
        found = [self.content.balances[f["account_id"], t["id"]] for t in self._of_account(f)]
        return to_array(found, ACCOUNT_BALANCE)

    def query_accounts(self, wanted: np.ndarray) -> np.ndarray:
        return to_array(self._queried(self.content.accounts, filter_of(wanted)), ACCOUNT)

    def query_transfers(self, wanted: np.ndarray) -> np.ndarray:
        return to_array(self._queried(self.content.transfers, filter_of(wanted)), TRANSFER)

    def _of_account(self, f):
        known = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS | AccountFilterFlags.REVERSED
        sides = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
        if f["account_id"] in (0, MAX) or not f["flags"] & sides or f["flags"] & ~int(known):
            return []
        own = {
            id_: t
            for id_, t in self.content.transfers.items()
            if (f["flags"] & AccountFilterFlags.DEBITS and t["debit_account_id"] == f["account_id"])
            or (f["flags"] & AccountFilterFlags.CREDITS and t["credit_account_id"] == f["account_id"])
        }
        return self._let_through(own, f, bool(f["flags"] & AccountFilterFlags.REVERSED))

    def _queried(self, records, f):
        if f["flags"] & ~int(QueryFilterFlags.REVERSED):
            return []
        return self._let_through(records, f, bool(f["flags"] & QueryFilterFlags.REVERSED))

    @staticmethod
    def _let_through(records, f, newest_first):
        first, last = f["timestamp_min"], f["timestamp_max"]
        if max(first, last) >= 2**63 or (last and first > last) or not f["limit"] or f["reserved"]:
            return []
        found = [
            r
            for r in records.values()
            if first <= r["timestamp"] <= (last or 2**63)
            and all(
                not f.get(name) or r[name] == f[name]
                for name in ("user_data_128", "user_data_64", "user_data_32", "ledger", "code")
            )
        ]
        return (found[::-1] if newest_first else found)[: min(f["limit"], BATCH_MAX)]

    def _note_balances(self, transfer) -> None:
        for side in ("debit", "credit"):
            account = self.content.accounts[transfer[f"{side}_account_id"]]
            if account["flags"] & AF.HISTORY:
                names = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
                balance = {name: account[name] for name in names}
                balance["timestamp"] = transfer["timestamp"]
                self.content.balances[account["id"], transfer["id"]] = balance

    def expire(self, now_ns: int) -> int:
        due = [
            t
            for t in self.content.transfers.values()
            if self.content.pending.get(t["id"]) == PendingState.PENDING
            and t["timeout"]
            and t["timestamp"] + t["timeout"] * 10**9 <= now_ns
        ]
        for t in due:
            self.content.pending[t["id"]] = PendingState.EXPIRED
            self._release(t)
        return len(due)

    def create(self, events: np.ndarray, first_ns: int) -> np.ndarray:
        """A batch of accounts or transfers; one result each."""
        are_accounts = events.dtype == ACCOUNT
        results = np.zeros(len(events), RESULT)
        imports = len(events) > 0 and bool(int(events[0]["flags"]) & self._imported(are_accounts))
        chain: int | None = None
        broken = False
        before = self.content
        for i, record in enumerate(events):
            e = to_dict(record)
            stamp = first_ns + i
            if e["flags"] & TF.LINKED and chain is None:
                chain, before = i, self.content.copied()
            status = self._admit(
                e, are_accounts, imports, broken, i == len(events) - 1, first_ns + len(events) - 1
            )
            if status is None:
                make = self._create_account if are_accounts else self._create_transfer
                status, stamp = make(e, stamp)
            created = A.CREATED if are_accounts else T.CREATED
            if status != created:
                if chain is not None and not broken:
                    broken = True
                    self.content = before
                    results["status"][chain:i] = A.LINKED_EVENT_FAILED
                if not are_accounts and status in TRANSIENT:
                    self.burnt.add(e["id"])
            results[i] = (stamp, status, 0)
            if not e["flags"] & TF.LINKED:
                chain, broken = None, False
        return results

    @staticmethod
    def _imported(are_accounts: bool) -> int:
        return AF.IMPORTED if are_accounts else TF.IMPORTED

    def _admit(self, e, are_accounts, imports, broken, is_last, last_ns):
        base = IMPORTS[are_accounts]
        kind = type(base)
        is_import = bool(e["flags"] & self._imported(are_accounts))
        if e["flags"] & TF.LINKED and is_last:
            return kind.LINKED_EVENT_CHAIN_OPEN
        if broken:
            return kind.LINKED_EVENT_FAILED
        if imports != is_import:
            return kind.IMPORTED_EVENT_NOT_EXPECTED if is_import else kind.IMPORTED_EVENT_EXPECTED
        if not is_import:
            return kind.TIMESTAMP_MUST_BE_ZERO if e["timestamp"] else None
        if not 1 <= e["timestamp"] < 2**63:
            return kind.IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE
        if e["timestamp"] >= last_ns:
            return kind.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE
        return None

    def _create_account(self, e, stamp):
        if e["reserved"]:
            return A.RESERVED_FIELD, stamp
        if e["flags"] & ~0x3F:
            return A.RESERVED_FLAG, stamp
        if e["id"] == 0:
            return A.ID_MUST_NOT_BE_ZERO, stamp
        if e["id"] == MAX:
            return A.ID_MUST_NOT_BE_INT_MAX, stamp
        if stored := self.content.accounts.get(e["id"]):
            for name in ("flags", "user_data_128", "user_data_64", "user_data_32", "ledger", "code"):
                if e[name] != stored[name]:
                    return A[f"EXISTS_WITH_DIFFERENT_{name.upper()}"], stamp
            return A.EXISTS, stored["timestamp"]
        both = AF.DEBITS_MUST_NOT_EXCEED_CREDITS | AF.CREDITS_MUST_NOT_EXCEED_DEBITS
        if e["flags"] & both == both:
            return A.FLAGS_ARE_MUTUALLY_EXCLUSIVE, stamp
        for name in ("debits_pending", "debits_posted", "credits_pending", "credits_posted"):
            if e[name]:
                return A[f"{name.upper()}_MUST_BE_ZERO"], stamp
        for name in ("ledger", "code"):
            if not e[name]:
                return A[f"{name.upper()}_MUST_NOT_BE_ZERO"], stamp
        if e["flags"] & AF.IMPORTED:
            if self._regresses(self.content.accounts, self.content.transfers, e["timestamp"]):
                return A.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, stamp
            stamp = e["timestamp"]
        self.content.accounts[e["id"]] = {**e, "timestamp": stamp}
        return A.CREATED, stamp

    @staticmethod
    def _regresses(own, other, stamp):
        return any(r["timestamp"] >= stamp for r in own.values()) or any(
            r["timestamp"] == stamp for r in other.values()
        )

    def _create_transfer(self, e, stamp):
        flags = TF(e["flags"] & 0x1FF)
        if e["flags"] & ~0x1FF:
            return T.RESERVED_FLAG, stamp
        if e["id"] == 0:
            return T.ID_MUST_NOT_BE_ZERO, stamp
        if e["id"] == MAX:
            return T.ID_MUST_NOT_BE_INT_MAX, stamp
        if stored := self.content.transfers.get(e["id"]):
            status = self._transfer_exists(e, stored)
            return status, stored["timestamp"] if status == T.EXISTS else stamp
        if e["id"] in self.burnt:
            return T.ID_ALREADY_FAILED, stamp
        if flags & POST_OR_VOID:
            return self._resolve(e, flags, stamp)
        return self._move(e, flags, stamp)

    def _transfer_exists(self, e, stored):
        for name in ("flags", "pending_id", "timeout"):
            if e[name] != stored[name]:
                return T[f"EXISTS_WITH_DIFFERENT_{name.upper()}"]
        meant = dict(e)
        if e["flags"] & POST_OR_VOID:
            pending = self.content.transfers[e["pending_id"]]
            for name in (
                "debit_account_id",
                "credit_account_id",
                "user_data_128",
                "user_data_64",
                "user_data_32",
                "ledger",
                "code",
            ):
                meant[name] = e[name] or pending[name]
            if e["amount"] == (0 if e["flags"] & TF.VOID_PENDING_TRANSFER else MAX):
                meant["amount"] = pending["amount"]
        elif e["flags"] & (TF.BALANCING_DEBIT | TF.BALANCING_CREDIT) and e["amount"] >= stored["amount"]:
            meant["amount"] = stored["amount"]
        for name in (
            "debit_account_id",
            "credit_account_id",
            "amount",
            "user_data_128",
            "user_data_64",
            "user_data_32",
            "ledger",
            "code",
        ):
            if meant[name] != stored[name]:
                return T[f"EXISTS_WITH_DIFFERENT_{name.upper()}"]
        return T.EXISTS

    def _move(self, e, flags, stamp):
        for side in ("debit", "credit"):
            if e[f"{side}_account_id"] == 0:
                return T[f"{side.upper()}_ACCOUNT_ID_MUST_NOT_BE_ZERO"], stamp
            if e[f"{side}_account_id"] == MAX:
                return T[f"{side.upper()}_ACCOUNT_ID_MUST_NOT_BE_INT_MAX"], stamp
        if e["debit_account_id"] == e["credit_account_id"]:
            return T.ACCOUNTS_MUST_BE_DIFFERENT, stamp
        if e["pending_id"]:
            return T.PENDING_ID_MUST_BE_ZERO, stamp
        if not flags & TF.PENDING:
            if e["timeout"]:
                return T.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, stamp
            if flags & (TF.CLOSING_DEBIT | TF.CLOSING_CREDIT):
                return T.CLOSING_TRANSFER_MUST_BE_PENDING, stamp
        for name in ("ledger", "code"):
            if not e[name]:
                return T[f"{name.upper()}_MUST_NOT_BE_ZERO"], stamp
        debit = self.content.accounts.get(e["debit_account_id"])
        credit = self.content.accounts.get(e["credit_account_id"])
        if debit is None:
            return T.DEBIT_ACCOUNT_NOT_FOUND, stamp
        if credit is None:
            return T.CREDIT_ACCOUNT_NOT_FOUND, stamp
        if debit["ledger"] != credit["ledger"]:
            return T.ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, stamp
        if debit["ledger"] != e["ledger"]:
            return T.TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS, stamp
        if flags & TF.IMPORTED:
            imported = e["timestamp"]
            if self._regresses(self.content.transfers, self.content.accounts, imported):
                return T.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, stamp
            if imported <= debit["timestamp"]:
                return T.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT, stamp
            if imported <= credit["timestamp"]:
                return T.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT, stamp
            if e["timeout"]:
                return T.IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO, stamp
        status, amount = self._amount(e, flags, debit, credit)
        if status is not None:
            return status, stamp
        given = e["timestamp"] or stamp
        if given + e["timeout"] * 10**9 >= 2**63:
            return T.OVERFLOWS_TIMEOUT, stamp
        debits = debit["debits_pending"] + debit["debits_posted"] + amount
        if debit["flags"] & AF.DEBITS_MUST_NOT_EXCEED_CREDITS and debits > debit["credits_posted"]:
            return T.EXCEEDS_CREDITS, stamp
        credits_ = credit["credits_pending"] + credit["credits_posted"] + amount
        if credit["flags"] & AF.CREDITS_MUST_NOT_EXCEED_DEBITS and credits_ > credit["debits_posted"]:
            return T.EXCEEDS_DEBITS, stamp
        self.content.transfers[e["id"]] = {**e, "amount": amount, "timestamp": given}
        suffix = "pending" if flags & TF.PENDING else "posted"
        debit[f"debits_{suffix}"] += amount
        credit[f"credits_{suffix}"] += amount
        if flags & TF.PENDING:
            self.content.pending[e["id"]] = PendingState.PENDING
        if flags & TF.CLOSING_DEBIT:
            debit["flags"] |= AF.CLOSED
        if flags & TF.CLOSING_CREDIT:
            credit["flags"] |= AF.CLOSED
        self._note_balances(self.content.transfers[e["id"]])
        return T.CREATED, given

    @staticmethod
    def _amount(e, flags, debit, credit):
        if debit["flags"] & AF.CLOSED:
            return T.DEBIT_ACCOUNT_ALREADY_CLOSED, 0
        if credit["flags"] & AF.CLOSED:
            return T.CREDIT_ACCOUNT_ALREADY_CLOSED, 0
        amount = e["amount"]
        if flags & TF.BALANCING_DEBIT:
            room = debit["credits_posted"] - debit["debits_posted"] - debit["debits_pending"]
            amount = min(amount, max(room, 0))
        if flags & TF.BALANCING_CREDIT:
            room = credit["debits_posted"] - credit["credits_posted"] - credit["credits_pending"]
            amount = min(amount, max(room, 0))
        if flags & TF.PENDING:
            if debit["debits_pending"] + amount > MAX:
                return T.OVERFLOWS_DEBITS_PENDING, 0
            if credit["credits_pending"] + amount > MAX:
                return T.OVERFLOWS_CREDITS_PENDING, 0
        if debit["debits_posted"] + amount > MAX:
            return T.OVERFLOWS_DEBITS_POSTED, 0
        if credit["credits_posted"] + amount > MAX:
            return T.OVERFLOWS_CREDITS_POSTED, 0
        if debit["debits_pending"] + debit["debits_posted"] + amount > MAX:
            return T.OVERFLOWS_DEBITS, 0
        if credit["credits_pending"] + credit["credits_posted"] + amount > MAX:
            return T.OVERFLOWS_CREDITS, 0
        return None, amount

    def _resolve(self, e, flags, stamp):
        if flags & POST_OR_VOID == POST_OR_VOID or flags & NOT_WITH_POST_OR_VOID:
            return T.FLAGS_ARE_MUTUALLY_EXCLUSIVE, stamp
        if e["pending_id"] == 0:
            return T.PENDING_ID_MUST_NOT_BE_ZERO, stamp
        if e["pending_id"] == MAX:
            return T.PENDING_ID_MUST_NOT_BE_INT_MAX, stamp
        if e["pending_id"] == e["id"]:
            return T.PENDING_ID_MUST_BE_DIFFERENT, stamp
        if e["timeout"]:
            return T.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, stamp
        p = self.content.transfers.get(e["pending_id"])
        if p is None:
            return T.PENDING_TRANSFER_NOT_FOUND, stamp
        if not p["flags"] & TF.PENDING:
            return T.PENDING_TRANSFER_NOT_PENDING, stamp
        for name in ("debit_account_id", "credit_account_id", "ledger", "code"):
            if e[name] and e[name] != p[name]:
                return T[f"PENDING_TRANSFER_HAS_DIFFERENT_{name.upper()}"], stamp
        is_void = bool(flags & TF.VOID_PENDING_TRANSFER)
        amount = p["amount"] if e["amount"] == (0 if is_void else MAX) else e["amount"]
        if amount > p["amount"]:
            return T.EXCEEDS_PENDING_TRANSFER_AMOUNT, stamp
        if is_void and amount < p["amount"]:
            return T.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT, stamp
        match self.content.pending[p["id"]]:
            case PendingState.POSTED:
                return T.PENDING_TRANSFER_ALREADY_POSTED, stamp
            case PendingState.VOIDED:
                return T.PENDING_TRANSFER_ALREADY_VOIDED, stamp
            case PendingState.EXPIRED:
                return T.PENDING_TRANSFER_EXPIRED, stamp
        if p["timeout"] and p["timestamp"] + p["timeout"] * 10**9 <= stamp:
            return T.PENDING_TRANSFER_EXPIRED, stamp
        if flags & TF.IMPORTED and self._regresses(
            self.content.transfers, self.content.accounts, e["timestamp"]
        ):
            return T.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, stamp
        debit = self.content.accounts[p["debit_account_id"]]
        credit = self.content.accounts[p["credit_account_id"]]
        if not is_void and debit["flags"] & AF.CLOSED:
            return T.DEBIT_ACCOUNT_ALREADY_CLOSED, stamp
        if not is_void and credit["flags"] & AF.CLOSED:
            return T.CREDIT_ACCOUNT_ALREADY_CLOSED, stamp
        given = e["timestamp"] or stamp
        inherited = {name: p[name] for name in ("debit_account_id", "credit_account_id", "ledger", "code")}
        for name in ("user_data_128", "user_data_64", "user_data_32"):
            inherited[name] = e[name] or p[name]
        self.content.transfers[e["id"]] = {**e, **inherited, "amount": amount, "timestamp": given}
        if is_void:
            self.content.pending[p["id"]] = PendingState.VOIDED
            self._release(p)
        else:
            self.content.pending[p["id"]] = PendingState.POSTED
            debit["debits_pending"] -= p["amount"]
            credit["credits_pending"] -= p["amount"]
            debit["debits_posted"] += amount
            credit["credits_posted"] += amount
        self._note_balances(self.content.transfers[e["id"]])
        return T.CREATED, given

    def _release(self, p):
        debit = self.content.accounts[p["debit_account_id"]]
        credit = self.content.accounts[p["credit_account_id"]]
        debit["debits_pending"] -= p["amount"]
        credit["credits_pending"] -= p["amount"]
        if p["flags"] & TF.CLOSING_DEBIT:
            debit["flags"] &= ~AF.CLOSED
        if p["flags"] & TF.CLOSING_CREDIT:
            credit["flags"] &= ~AF.CLOSED
