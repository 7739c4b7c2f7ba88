"""
Random operations on a ledger from one seed, made to meet every rule.

Few accounts, few ids, bad values, duplicates, chains, imports, and a clock that jumps over timeouts.
"""

from collections.abc import Iterator

import numpy as np

from ledger.transfer import ACCOUNT, TRANSFER, AccountFlags, TransferFlags
from tests.ledger.naive import MAX, to_array

LEDGERS = (840, 978)
NS_PER_S = 10**9


class Traffic:
    """Batches to create, each with the clock's time before it. Remembers what it has asked for."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        # Half the seeds run where the longest timeout leaves the clock's range.
        self.now_ns = (5_000_000_000 if seed % 2 else 1_000) * NS_PER_S
        self.accounts: list[dict[str, int]] = []
        self.transfers: list[dict[str, int]] = []
        self.next_id = 100

    def batches(self, count: int, batch_max: int) -> Iterator[tuple[int, np.ndarray]]:
        for i in range(count):
            self.now_ns += int(self.rng.choice((0, 1, 1_000, NS_PER_S, 7 * NS_PER_S)))
            size = int(self.rng.integers(1, batch_max + 1))
            are_accounts = i < 2 or self._rarely(0.08)
            rows = [self._account() if are_accounts else self._transfer() for _ in range(size)]
            if self._rarely(0.1):
                self._make_imports(rows, AccountFlags.IMPORTED if are_accounts else TransferFlags.IMPORTED)
            (self.accounts if are_accounts else self.transfers).extend(rows)
            yield self.now_ns, to_array(rows, ACCOUNT if are_accounts else TRANSFER)
            self.now_ns += size

    def _rarely(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _pick(self, *values: int) -> int:
        return values[int(self.rng.integers(len(values)))]

    def _make_imports(self, rows: list[dict[str, int]], flag: int) -> None:
        stamp = self.now_ns - self._pick(0, 10, NS_PER_S, 5 * NS_PER_S)
        for row in rows:
            stamp += self._pick(-1, 0, 1, 1, 1, 1_000)
            if not self._rarely(0.05):
                row["flags"] |= flag
            row["timestamp"] = self._pick(0, 2**63) if self._rarely(0.03) else stamp

    def _account(self) -> dict[str, int]:
        if self.accounts and self._rarely(0.2):
            return self._altered(
                self._one_of(self.accounts),
                ("flags", "user_data_128", "user_data_64", "user_data_32", "ledger", "code"),
            )
        row = dict.fromkeys(
            (
                "debits_pending",
                "debits_posted",
                "credits_pending",
                "credits_posted",
                "user_data_128",
                "user_data_64",
                "user_data_32",
                "reserved",
                "timestamp",
            ),
            0,
        )
        row["id"] = self._pick(0, MAX) if self._rarely(0.02) else int(self.rng.integers(1, 40))
        row["ledger"] = self._pick(*LEDGERS)
        row["code"] = self._pick(1, 1, 1, 2)
        row["flags"] = self._pick(0, 0, AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS) | self._pick(
            0, 0, 0, AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS, AccountFlags.HISTORY
        )
        if self._rarely(0.1):
            row["flags"] |= AccountFlags.LINKED
        if self._rarely(0.3):
            name = self._one_of(sorted(row))
            row[name] = self._pick(0, 1, 0x8000)
        return row

    def _one_of(self, rows):
        return rows[int(self.rng.integers(max(0, len(rows) - 60), len(rows)))]

    def _altered(self, row: dict[str, int], names: tuple[str, ...]) -> dict[str, int]:
        """A repeat, sometimes with one field different."""
        row = dict(row)
        if self._rarely(0.5):
            name = self._one_of(names)
            row[name] = self._pick(0, 1, row[name] ^ 1)
        return row

    def _amount(self) -> int:
        if self._rarely(0.04):
            return self._pick(MAX, MAX - 50, 2**127, 2**64 - 1, 2**64)
        return int(self.rng.integers(0, 100))

    def _transfer(self) -> dict[str, int]:
        kind = self.rng.random()
        if self.transfers and kind < 0.25:
            return self._altered(self._one_of(self.transfers), tuple(self.transfers[0]))
        row = {
            "id": self._new_id(),
            "debit_account_id": int(self.rng.integers(1, 16)),
            "credit_account_id": int(self.rng.integers(1, 16)),
            "amount": self._amount(),
            "pending_id": 0,
            "user_data_128": self._pick(0, 7),
            "user_data_64": self._pick(0, 7),
            "user_data_32": self._pick(0, 7),
            "timeout": 0,
            "ledger": self._pick(*LEDGERS),
            "code": self._pick(1, 1, 1, 2),
            "flags": 0,
            "timestamp": 0,
        }
        if self.transfers and kind < 0.5:
            self._make_resolution(row)
        elif kind < 0.75:
            row["flags"] = TransferFlags.PENDING
            row["timeout"] = self._pick(0, 0, 1, 5, 60, 2**32 - 1)
            if self._rarely(0.05):
                row["flags"] |= self._pick(TransferFlags.CLOSING_DEBIT, TransferFlags.CLOSING_CREDIT)
        elif self._rarely(0.02):
            row["flags"] = TransferFlags.CLOSING_DEBIT
        if self._rarely(0.15):
            row["flags"] |= self._pick(TransferFlags.BALANCING_DEBIT, TransferFlags.BALANCING_CREDIT, 0x30)
        if self._rarely(0.15):
            row["flags"] |= TransferFlags.LINKED
        if self._rarely(0.08):
            name = self._one_of(sorted(row))
            row[name] = self._pick(
                0, 1, MAX if name.endswith("id") else 3, row["id"] if name.endswith("id") else 512
            )
        return row

    def _new_id(self) -> int:
        if self._rarely(0.02):
            return self._pick(0, MAX)
        self.next_id += 1
        return self.next_id | self._pick(0, 1 << 64)

    def _make_resolution(self, row: dict[str, int]) -> None:
        recent = self.transfers[-100:]
        pending = self._one_of([t for t in recent if t["flags"] & TransferFlags.PENDING] or recent)
        row["flags"] = self._pick(TransferFlags.POST_PENDING_TRANSFER, TransferFlags.VOID_PENDING_TRANSFER)
        row["pending_id"] = self._one_of(self.transfers)["id"] if self._rarely(0.1) else pending["id"]
        row["amount"] = self._pick(0, MAX, pending["amount"], pending["amount"] // 2, pending["amount"] + 1)
        row["amount"] = min(row["amount"], MAX)
        for name in ("debit_account_id", "credit_account_id", "ledger", "code"):
            if not self._rarely(0.05):
                row[name] = self._pick(0, pending[name])

    def filters(self, count: int, stamps: list[int], dtype: np.dtype) -> Iterator[np.ndarray]:
        """Filters of one kind, about what was created at these times; some of them break a rule."""
        for _ in range(count):
            wanted = np.zeros(1, dtype)
            for name in ("user_data_128_lo", "user_data_64", "user_data_32"):
                wanted[name] = self._pick(0, 0, 0, 7)
            wanted["code"] = self._pick(0, 0, 1, 2)
            wanted["limit"] = self._pick(1, 3, 50, 8189, 2**32 - 1)
            wanted["flags"] = self._pick(*range(8)) if "account_id_lo" in dtype.names else self._pick(0, 1)
            if "account_id_lo" in dtype.names:
                wanted["account_id_lo"] = int(self.rng.integers(1, 18))
            else:
                wanted["ledger"] = self._pick(0, 0, *LEDGERS)
            if self._rarely(0.5):
                wanted["timestamp_min"] = self._one_of(stamps) + self._pick(-1, 0, 0, 1)
            if self._rarely(0.5):
                wanted["timestamp_max"] = self._one_of(stamps) + self._pick(-1, 0, 0, 1)
            if self._rarely(0.05):
                wanted[self._one_of(["timestamp_min", "timestamp_max"])] = self._pick(
                    2**63, 2**63 - 1, 2**64 - 1
                )
            if self._rarely(0.05):
                wanted["limit"] = 0
            if self._rarely(0.05):
                wanted["flags"] |= self._pick(2, 8, 2**31)
            if self._rarely(0.05):
                wanted["reserved"][0][self._pick(0, 5)] = 1
            if self._rarely(0.05) and "account_id_lo" in dtype.names:
                id_ = self._pick(0, 2**64 - 1)
                wanted["account_id_lo"] = wanted["account_id_hi"] = id_
            yield wanted
