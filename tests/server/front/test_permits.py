"""What a caller may do: the kernel against the plain judge, the plain judge against a list, and how much of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.front.decoding import REQUEST_NUMBERS
from server.front.permits import (
    AUTHORIZE,
    EVERY_ACQUIRER,
    EVERY_BIN,
    EVERYTHING,
    NOTHING,
    Caller,
    Meter,
    NotPermitted,
    OverLimit,
    Permits,
    acquirer_number,
    bin_range,
    joined,
)
from server.front.wire import PAN_SIZE_MAX

pytestmark = pytest.mark.kernel
FAST = settings(max_examples=150, deadline=None, database=None)

digits = st.text("0123456789", min_size=1, max_size=11)
bins = st.text("0123456789", min_size=1, max_size=8)
pans = st.text("0123456789", min_size=12, max_size=19)


def permits_of(acquirers, starts, *, tokens=False):
    """Permits for Authorize with these acquirers and starts of cards."""
    ranges = joined((acquirer_number(text),) * 2 for text in acquirers)
    return Permits(frozenset([AUTHORIZE]), ranges, joined(map(bin_range, starts)), tokens)


def judged(permits, messages):
    """Whether the kernel lets each message pass: (acquirer, pan), a token where there is no pan."""
    count = len(messages)
    records = np.zeros(count, REQUEST_NUMBERS).view(np.recarray)
    numbers = np.zeros((count, PAN_SIZE_MAX), np.uint8)
    sizes = np.zeros(count, np.int64)
    for place, (acquirer, pan) in enumerate(messages):
        records["acquirer_id"][place, : len(acquirer)] = np.frombuffer(acquirer.encode(), np.uint8)
        numbers[place, : len(pan)] = np.frombuffer(pan.encode(), np.uint8)
        sizes[place] = len(pan)
    states = np.ones(count, np.uint8)
    permits.leave_forbidden(records, states, numbers, sizes)
    assert ((states == 1) == (sizes >= 0)).all()
    return (states == 1).tolist()


@FAST
@given(
    acquirers=st.lists(digits, max_size=4),
    starts=st.lists(bins, max_size=4),
    tokens=st.booleans(),
    messages=st.lists(st.tuples(digits, st.just("") | pans), min_size=1, max_size=8),
    hits=st.booleans(),
)
def test_the_kernel_lets_pass_what_the_judge_and_a_plain_list_do(acquirers, starts, tokens, messages, hits):
    """Three ways to say it; where `hits`, the messages are made of what is permitted."""
    if hits and acquirers and starts:
        messages = [
            (acquirers[k % len(acquirers)], (starts[k % len(starts)] + pan)[:19] if pan else "")
            for k, (_, pan) in enumerate(messages)
        ]
    permits = permits_of(acquirers, starts, tokens=tokens)
    plain = [
        acquirer in acquirers and (any(pan.startswith(start) for start in starts) if pan else tokens)
        for acquirer, pan in messages
    ]
    judge = [
        permits.forbids(AUTHORIZE, acquirer, pan, "" if pan else "card_") is None
        for acquirer, pan in messages
    ]
    assert judged(permits, messages) == judge == plain


def test_leading_zeros_of_an_acquirer_count():
    """000123 is another acquirer than 123."""
    permits = permits_of(["000123"], ["4"], tokens=True)
    assert judged(permits, [("000123", ""), ("123", ""), ("0000123", "")]) == [True, False, False]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("4", 40000000, 49999999), ("456700-456799", 45670000, 45679999), ("12345678", 12345678, 12345678)],
)
def test_a_range_of_cards_is_its_first_eight_digits(text, first, last):
    """From the lowest to the highest that begin so."""
    assert bin_range(text) == (first, last)


@pytest.mark.parametrize(
    "text", ["", "-", "4-", "-4", "123456789", "45-44", "4-45", "x", "\uff14", "4 ", "4-5-6"]
)
def test_what_is_no_range_of_cards_is_refused(text):
    """By its text."""
    with pytest.raises(ValueError, match="must"):
        bin_range(text)


def test_nothing_is_permitted_that_is_not_said():
    """The empty permits forbid, the full ones don't look."""
    assert judged(NOTHING, [("1", "4111111111111111"), ("1", "")]) == [False, False]
    assert judged(Permits(frozenset(["X/Y"]), EVERY_ACQUIRER, EVERY_BIN, tokens=True), [("1", "")]) == [False]
    assert EVERYTHING.is_everything and not NOTHING.is_everything
    assert judged(EVERYTHING, [("9" * 11, "9" * 19), ("0", "0" * 12), ("0", "")]) == [True] * 3


def test_a_caller_is_told_what_he_may_not():
    """The method or the field, and his name."""
    caller = Caller(1, "alpha", permits_of(["1"], ["4"]))
    with pytest.raises(NotPermitted, match="X/Y is not permitted to alpha"):
        caller.require("X/Y")
    with pytest.raises(NotPermitted, match=r"key.acquirer_id: 2 is not permitted to alpha"):
        caller.check(AUTHORIZE, "2", "", "")
    with pytest.raises(NotPermitted, match="pan: cards of this range"):
        caller.check(AUTHORIZE, "1", "5111111111111111", "")
    with pytest.raises(NotPermitted, match="card_token"):
        caller.check(AUTHORIZE, "1", "", "card_x")
    caller.check(AUTHORIZE, "1", "4111111111111111", "")


def test_a_meter_lets_in_its_rate_and_no_more():
    """A second's messages at once, then as they come; what is too many is counted."""
    meter = Meter(100, 1_000, 0.0)
    assert meter.take(150, 0.0) == 100
    assert meter.take(1, 0.0) == 0
    assert meter.wait_s(10) == pytest.approx(0.1)
    assert meter.take(50, 0.1) == 10
    assert meter.take(1_000, 60.0) == 100
    assert meter.refused == 50 + 1 + 40 + 900


def test_a_meter_lets_in_no_more_at_once_than_it_may():
    """Until some are done."""
    meter = Meter(1e6, 5, 0.0)
    assert meter.take(8, 0.0) == 5
    assert meter.take(1, 1.0) == 0
    meter.done(2)
    assert meter.take(8, 2.0) == 2
    meter.set(1e6, 1)
    meter.done(3)
    assert meter.take(1, 3.0) == 0


def test_a_slow_rate_lets_one_in_every_so_often():
    """Less than one a second too."""
    meter = Meter(0.5, 10, 0.0)
    assert meter.take(2, 0.0) == 1
    assert meter.take(1, 1.9) == 0
    assert meter.take(1, 2.1) == 1


def test_a_caller_over_his_limit_is_refused():
    """One without a meter never."""
    caller = Caller(1, "alpha", EVERYTHING, Meter(1, 10, 0.0))
    caller.enter()
    with pytest.raises(OverLimit, match="alpha"):
        caller.enter()
    free = Caller(1, "alpha", EVERYTHING)
    for _ in range(100):
        free.enter()
