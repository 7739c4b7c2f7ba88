"""What each cardholder had available at any time, worked out in plain Python from the ledger's own history."""

from bisect import bisect_left, bisect_right
from collections import defaultdict

from ledger.chart import AccountCode
from ledger.transfer import TransferFlags

_RESOLVES = TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER


class Balances:
    """What each account had available, over time, from the ledger's own history."""

    def __init__(self, world):
        bank = world.bank
        self._series = defaultdict(lambda: ([-1.0], [0]))
        pending = {}
        sums = defaultdict(int)
        for transfer in bank.state.transfers():
            key = int(transfer["id_lo"]), int(transfer["id_hi"])
            flags = int(transfer["flags"])
            moved = defaultdict(int)
            amount = int(transfer["amount_lo"])
            debit = self._cardholder(transfer, "debit")
            credit = self._cardholder(transfer, "credit")
            if flags & _RESOLVES:
                resolved = int(transfer["pending_id_lo"]), int(transfer["pending_id_hi"])
                debit, credit, held = pending.pop(resolved)
                moved[debit] += held
                if not flags & TransferFlags.POST_PENDING_TRANSFER:
                    amount = 0
                moved[debit] -= amount
                moved[credit] += amount
            elif flags & TransferFlags.PENDING:
                pending[key] = debit, credit, amount
                moved[debit] -= amount
            else:
                moved[debit] -= amount
                moved[credit] += amount
            at_s = bank.time_of(int(transfer["timestamp"]))
            for number, change in moved.items():
                if number is None or not change:
                    continue
                sums[number] += change
                assert sums[number] >= 0, f"account {number} has gone below zero"
                times, levels = self._series[number]
                times.append(at_s)
                levels.append(sums[number])

    def lowest(self, number, from_s, to_s):
        """The least that was available in a span of time."""
        times, levels = self._series[int(number)]
        first = max(0, bisect_left(times, from_s) - 1)
        return min(levels[first : bisect_right(times, to_s)])

    def _cardholder(self, transfer, side):
        if int(transfer[f"{side}_account_id_hi"]) >> 32 != AccountCode.CARDHOLDER:
            return None
        return int(transfer[f"{side}_account_id_lo"])
