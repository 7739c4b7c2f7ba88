"""Holds from place to release, on the embedded books, and the arithmetic around them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import chart, holds
from ledger.chart import AccountCode
from ledger.holds import FenceOutcome, HoldOutcome, Leg, ReleaseOutcome
from ledger.state import State
from ledger.transfer import RESULT, CreateTransferStatus, TransferFlags
from tests.ledger.books import NS_PER_S, USD, funding, transfer_ids

pytestmark = pytest.mark.kernel

START_NS = 1_000 * NS_PER_S


class Books:
    """Funded cards 0, 1, ... on a State, with a clock of their own."""

    def __init__(self, *funded_minor: int) -> None:
        self.state = State()
        self.now_ns = START_NS
        self.state.create_accounts(chart.opening(USD), self._first_ns())
        self.state.create_accounts(
            chart.cardholder_accounts(np.arange(len(funded_minor)), USD), self._first_ns()
        )
        self.post(funding(funded_minor))

    def _first_ns(self):
        first_ns = max(self.now_ns, self.state.last_ns + 1)
        return first_ns + self.state.expire(first_ns)

    def post(self, transfers):
        return self.state.create_transfers(transfers, self._first_ns())

    def place(self, authorization, amount_minor, *, card=0, partial=False, timeout_s=100):
        return holds.place(
            transfer_ids(authorization, 1),
            np.array([card], np.uint64),
            USD,
            np.array([amount_minor]),
            timeout_s,
            partial,
        )

    def hold(self, authorization, amount_minor, **how):
        return HoldOutcome(holds.outcomes(self.post(self.place(authorization, amount_minor, **how)))[0])

    def release(self, authorization, attempt=0):
        voids = holds.release(transfer_ids(authorization, 1), attempt=attempt)
        return ReleaseOutcome(holds.release_outcomes(self.post(voids))[0])

    def fence(self, placed):
        return FenceOutcome(holds.fence_outcomes(self.post(holds.fence(placed)))[0])

    def account(self, card=0):
        return self.state.lookup_accounts(chart.account_id(AccountCode.CARDHOLDER, USD, card))[0]

    def available(self, card=0):
        account = self.account(card)
        return int(account["credits_posted_lo"] - account["debits_posted_lo"] - account["debits_pending_lo"])


def test_a_hold_takes_from_what_is_available_until_it_is_released():
    """Pending on the cardholder's account, then given back in full."""
    books = Books(1000)
    assert books.hold(1, 300) == HoldOutcome.HELD
    assert books.available() == 700
    assert books.release(1) == ReleaseOutcome.RELEASED
    assert books.available() == 1000


def test_a_hold_beyond_the_balance_is_refused_and_its_repeat_is_burnt():
    """Also once there is money: the first answer stays."""
    books = Books(100)
    assert books.hold(1, 101) == HoldOutcome.INSUFFICIENT
    assert books.hold(1, 101) == HoldOutcome.BURNT
    assert books.hold(2, 100) == HoldOutcome.HELD
    assert books.available() == 0


def test_a_repeated_hold_is_held_once():
    """The second is told that it is there already."""
    books = Books(1000)
    assert books.hold(1, 300) == HoldOutcome.HELD
    assert books.hold(1, 300) == HoldOutcome.ALREADY_HELD
    assert books.available() == 700


def test_a_hold_on_an_unknown_account_is_refused():
    """There is nothing to hold."""
    assert Books(1000).hold(1, 300, card=77) == HoldOutcome.REFUSED


def test_a_partial_hold_takes_what_is_there():
    """And what it took is read back from the ledger."""
    books = Books(250)
    assert books.hold(1, 300, partial=True) == HoldOutcome.HELD
    ids = holds.leg_id(transfer_ids(1, 1), Leg.HOLD)
    assert holds.held_minor(ids, books.state.lookup_transfers(ids)).tolist() == [250]
    assert books.available() == 0


def test_a_partial_hold_on_an_empty_account_is_held_with_nothing():
    """That is how the ledger says insufficient here; it can be released."""
    books = Books(0)
    assert books.hold(1, 300, partial=True) == HoldOutcome.HELD
    ids = holds.leg_id(transfer_ids(1, 1), Leg.HOLD)
    assert holds.held_minor(ids, books.state.lookup_transfers(ids)).tolist() == [0]
    assert books.release(1) == ReleaseOutcome.RELEASED


def test_a_second_release_says_that_it_was_released():
    """The same transfer again, or another one."""
    books = Books(1000)
    books.hold(1, 300)
    assert books.release(1) == ReleaseOutcome.RELEASED
    assert books.release(1) == ReleaseOutcome.ALREADY_RELEASED
    assert books.release(1, attempt=1) == ReleaseOutcome.ALREADY_RELEASED
    assert books.available() == 1000


def test_a_release_after_the_timeout_says_expired():
    """The ledger gave the money back by itself."""
    books = Books(1000)
    books.hold(1, 300, timeout_s=100)
    books.now_ns += 101 * NS_PER_S
    assert books.release(1) == ReleaseOutcome.EXPIRED
    assert books.available() == 1000


def test_a_release_that_overtakes_its_hold_burns_itself():
    """That is why an unknown hold is fenced first."""
    books = Books(1000)
    assert books.release(1) == ReleaseOutcome.NOT_FOUND
    assert books.hold(1, 300) == HoldOutcome.HELD
    assert books.release(1) == ReleaseOutcome.NOT_FOUND
    assert books.release(1, attempt=1) == ReleaseOutcome.RELEASED


@pytest.mark.parametrize("partial", [False, True])
def test_a_fence_keeps_a_late_hold_out(partial):
    """The id burns, whatever the hold was; fencing again says the same."""
    books = Books(1000)
    placed = books.place(1, 300, partial=partial)
    assert books.fence(placed) == FenceOutcome.FENCED
    assert books.fence(placed) == FenceOutcome.FENCED
    assert books.hold(1, 300, partial=partial) == HoldOutcome.BURNT
    assert books.available() == 1000


@pytest.mark.parametrize("partial", [False, True])
def test_a_fence_finds_a_hold_that_had_arrived(partial):
    """It changes nothing, and the hold can be released."""
    books = Books(1000)
    placed = books.place(1, 300, partial=partial)
    books.post(placed)
    assert books.fence(placed) == FenceOutcome.HELD
    assert books.available() == 700
    assert books.release(1) == ReleaseOutcome.RELEASED


def test_every_transfer_of_an_authorization_carries_its_id():
    """In user_data_128; a transfer's own id differs by leg and attempt in the low byte alone."""
    authorization = transfer_ids(5, 1)
    placed = Books(1000).place(5, 300)
    void = holds.release(authorization, attempt=3)
    for transfer, low in ((placed, 0x10), (void, 0x23)):
        assert transfer["user_data_128_lo"] == authorization[0, 0]
        assert transfer["user_data_128_hi"] == authorization[0, 1]
        assert transfer["id_lo"] == authorization[0, 0] | np.uint64(low)
        assert transfer["id_hi"] == authorization[0, 1]
    assert void["pending_id_lo"] == placed["id_lo"]


def test_a_batch_of_holds_may_mix_currencies_and_partial_ones():
    """Each row keeps its own."""
    placed = holds.place(
        transfer_ids(1, 2),
        np.array([4, 5], np.uint64),
        np.array([840, 978]),
        np.array([1, 2]),
        np.array([10, 20]),
        np.array([True, False]),
    )
    assert placed["ledger"].tolist() == [840, 978]
    assert placed["flags"].tolist() == [
        TransferFlags.PENDING | TransferFlags.BALANCING_DEBIT,
        TransferFlags.PENDING,
    ]
    assert placed["timeout"].tolist() == [10, 20]
    assert chart.describe(placed["credit_account_id_lo"][1], placed["credit_account_id_hi"][1]) == (
        "settlement 1 in 978"
    )


def test_every_status_has_an_outcome():
    """None is out of a table's range, and only CREATED is a success."""
    results = np.zeros(len(CreateTransferStatus), RESULT)
    results["status"] = list(CreateTransferStatus)
    created = results["status"] == CreateTransferStatus.CREATED
    assert ((holds.outcomes(results) == HoldOutcome.HELD) == created).all()
    assert ((holds.release_outcomes(results) == ReleaseOutcome.RELEASED) == created).all()
    assert holds.fence_outcomes(results).max() == FenceOutcome.REFUSED


def test_travel_holds_live_longer_than_others():
    """Vehicle rental, lodging and cruises 30 days, everything else 7; the ledger's timeout is a day more."""
    travel = [3351, 3441, 7512, 7513, 3501, 3999, 7011, 4411]
    others = [3350, 3442, 3500, 4000, 5411, 0]
    assert set(holds.expiry_s(travel).tolist()) == {30 * 86_400}
    assert set(holds.expiry_s(others).tolist()) == {7 * 86_400}
    assert holds.timeout_s([5411]).tolist() == [8 * 86_400]


def test_amounts_held_are_matched_to_the_ids_asked():
    """What was not found is -1, wherever it stood."""
    books = Books(1000)
    books.hold(1, 10)
    books.hold(3, 30)
    ids = holds.leg_id(transfer_ids(0, 5), Leg.HOLD)
    assert holds.held_minor(ids, books.state.lookup_transfers(ids)).tolist() == [-1, 10, -1, 30, -1]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("hold", "partial", "release", "wait")),
        st.integers(0, 2),  # card
        st.integers(1, 12),  # authorization
        st.integers(0, 700),  # amount
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(STEPS)
def test_the_books_balance_whatever_happens_to_holds(steps):
    """After every step: debits equal credits, posted + pending + available = funded, none below zero."""
    funded = (1000, 500, 0)
    books = Books(*funded)
    for kind, card, authorization, amount_minor in steps:
        match kind:
            case "hold" | "partial":
                books.hold(authorization * 4 + card, amount_minor, card=card, partial=kind == "partial")
            case "release":
                books.release(authorization * 4 + card)
            case "wait":
                books.now_ns += 40 * NS_PER_S
        assert books.state.totals()[USD].balanced
        for number, start in enumerate(funded):
            account = books.account(number)
            assert books.available(number) >= 0
            taken = int(account["debits_posted_lo"]) + int(account["debits_pending_lo"])
            assert taken + books.available(number) == start
    pending = books.state.pending() == 1
    amounts = books.state.transfers()["amount_lo"][pending].sum()
    assert amounts == books.state.totals()[USD].debits_pending
