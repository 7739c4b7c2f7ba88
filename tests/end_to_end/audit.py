"""What a stopped home says about itself: the ledger's books and the decision journal, held against each other."""

import time
from collections import defaultdict

import numpy as np

from ledger.chart import TransferCode
from ledger.embedded import EmbeddedLedger
from ledger.transfer import TransferFlags, ids_of
from server.core.journal_reader import JournalReader
from server.core.record import Operation

_RESOLVING = TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER


class Books:
    """
    The books of a home that no server has open, read when made.

    `holds`: live holds, amounts by authorization id. `decisions`: the journal's DECISION by authorization id.
    `undecided`: ids of intents without a decision.
    """

    def __init__(self, home):
        ledger = EmbeddedLedger.open(home / "ledger", now_ns=time.time_ns)
        try:
            self.accounts = ledger.accounts()
            self.transfers = np.concatenate(list(ledger.history_blocking()))
        finally:
            ledger.close_blocking()
        self.holds = _live_holds(self.transfers)
        self.decisions = {}
        self.cards = {}
        """Card number by authorization id."""
        self.originals = {}
        """Authorization id by the id of the reversal that was accepted for it, of its expiry, or of a front's answer to it."""
        self.undecided = set()
        reader = JournalReader(home / "journal.sqlite")
        try:
            for batch in reader.read_all(0):
                self._take(batch)
        finally:
            reader.close()

    def _take(self, batch):
        for request, card in zip(batch.intents["request"], batch.intents["card_row"].tolist(), strict=True):
            identifier = hex_of(request["authorization_id"])
            self.cards[identifier] = card
            self.undecided.add(identifier)
            if request["operation"] in {Operation.REVERSE, Operation.DISOWN, Operation.EXPIRE}:
                self.originals[identifier] = hex_of(request["original_id"])
        for decision in batch.decisions:
            identifier = hex_of(decision["authorization_id"])
            assert identifier in self.undecided, f"{identifier} was decided twice, or never asked"
            self.undecided.remove(identifier)
            self.decisions[identifier] = decision

    def assert_balanced(self):
        """Debits equal credits, posted and pending; nobody is overdrawn; every approval has its hold, and no one else."""
        for kind in ("posted", "pending"):
            assert _sum(self.accounts, f"debits_{kind}") == _sum(self.accounts, f"credits_{kind}")
        cardholders = self.accounts[self.accounts["code"] == 1]
        spent = cardholders["debits_posted_lo"] + cardholders["debits_pending_lo"]
        assert (spent <= cardholders["credits_posted_lo"]).all()
        assert not self.undecided
        reversed_ids = {
            self.originals[identifier]
            for identifier, decision in self.decisions.items()
            if identifier in self.originals and not decision["held"]
        }
        approved = {
            identifier: int(decision["approved_minor"])
            for identifier, decision in self.decisions.items()
            if decision["response_code"] in {b"00", b"10"}
            and decision["operation"] == Operation.AUTHORIZE
            and identifier not in reversed_ids
        }
        assert self.holds == {identifier: [amount] for identifier, amount in approved.items()}

    def assert_agrees(self, answers):
        """
        Every answer that a client got is in the books.

        `answers` are AuthorizeResponses: each is the journal's decision, and an approval has one hold of its amount.
        """
        for answer in answers:
            decision = self.decisions[answer.authorization_id]
            assert decision["response_code"].decode() == answer.response_code
            assert int(decision["approved_minor"]) == answer.approved_amount_minor
            assert int(decision["available_minor"]) == answer.available_minor
            assert decision["authorization_code"].decode() == answer.authorization_code
            held = [answer.approved_amount_minor] if answer.response_code in {"00", "10"} else []
            assert self.holds.get(answer.authorization_id, []) == held


def hex_of(pair):
    """32 hexadecimal digits of [low, high]."""
    return f"{int(pair[1]):016x}{int(pair[0]):016x}"


def _sum(accounts, name):
    return sum(accounts[f"{name}_lo"].tolist()) + (sum(accounts[f"{name}_hi"].tolist()) << 64)


def _live_holds(transfers):
    flags = transfers["flags"]
    resolved = {tuple(pair) for pair in ids_of(transfers[flags & _RESOLVING != 0], "pending_id").tolist()}
    pending = transfers[(flags & TransferFlags.PENDING != 0) & (transfers["code"] == TransferCode.HOLD)]
    holds = defaultdict(list)
    for transfer, identifier in zip(pending, ids_of(pending).tolist(), strict=True):
        if tuple(identifier) not in resolved:
            pair = (transfer["user_data_128_lo"], transfer["user_data_128_hi"])
            holds[hex_of(pair)].append(int(transfer["amount_lo"]))
    return dict(holds)
