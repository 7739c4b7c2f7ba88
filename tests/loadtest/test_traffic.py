"""Traffic: seeded, valid, skewed like real life, and new in every run."""

from collections import Counter

import numpy as np

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import DAY_S, Traffic, demo_pans, made_up_pans, zipf_weights
from server.store.portfolio import demo_pan

NOW_S = 1_790_000_000


def passes_luhn(pan):
    """The textbook's Luhn test, digit by digit."""
    total = 0
    for place, digit in enumerate(reversed(pan)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def copies(traffic, count, now_s=NOW_S):
    return [pb.AuthorizeRequest.FromString(raw) for raw in traffic.serialized(count, now_s)]


def test_demo_pan_is_prefix_index_and_luhn_digit():
    """The portfolio's first, a middle and its last possible card have the PANs that the issue describes."""
    pans = demo_pans(np.array([0, 1, 123_456_789, 999_999_999]))
    assert [pan[:15] for pan in pans] == [
        "999999000000000",
        "999999000000001",
        "999999123456789",
        "999999999999999",
    ]  # fmt: skip - a row reads best
    assert all(len(pan) == 16 and passes_luhn(pan) for pan in pans)


def test_demo_pans_are_the_ones_that_the_server_makes():
    """Traffic and server make the portfolio's PANs apart, and alike."""
    indices = np.random.default_rng(2).integers(0, 10**9, 200)
    assert demo_pans(indices) == [demo_pan(index) for index in indices.tolist()]


def test_made_up_pan_passes_luhn_whatever_its_index():
    """A thousand random indices under another prefix all make valid PANs."""
    indices = np.random.default_rng(1).integers(0, 10**9, 1000)
    assert all(passes_luhn(pan) for pan in made_up_pans("999997", indices))


def test_traffic_is_the_same_when_seed_and_time_are():
    """One seed gives one run, byte for byte; another seed gives another."""
    first, same, other = (Traffic(seed, 500).serialized(200, NOW_S) for seed in (7, 7, 8))
    assert first == same
    assert first != other


def test_every_request_is_valid_by_the_contract():
    """Lengths, digits, ranges and times of two thousand requests keep to what the contract allows."""
    for request in copies(Traffic(3, 1_000), 2_000):
        assert passes_luhn(request.pan)
        assert request.key.acquirer_id.isdigit()
        assert len(request.key.acquirer_id) <= 11
        assert 0 <= request.key.stan <= 999_999
        assert len(request.key.retrieval_reference) == 12
        assert 0 < len(request.key.terminal_id) <= 8
        assert request.key.transmission_time.seconds == NOW_S
        assert abs(request.local_time.seconds - NOW_S) < DAY_S
        assert 0 < len(request.merchant.merchant_id) <= 15
        assert 0 < len(request.merchant.name) <= 25
        assert request.merchant.category_code.isdigit()
        assert len(request.merchant.category_code) == 4
        assert -90 <= request.merchant.latitude_deg <= 90
        assert -180 <= request.merchant.longitude_deg <= 180
        assert request.amount_minor >= request.cashback_amount_minor >= 0
        assert (request.amount_minor == 0) == (request.transaction_type == pb.TRANSACTION_TYPE_ACCOUNT_STATUS)


def test_no_two_messages_share_a_key_within_a_run_nor_between_runs():
    """Keys differ over two runs of one seed, because the run's number is in the reference."""
    runs = [copies(Traffic(5, 100, run=run), 3_000) for run in (1, 2)]
    keys = {request.key.SerializeToString() for run in runs for request in run}
    assert len(keys) == 6_000


def test_stan_counts_up_for_each_terminal():
    """A terminal numbers its own messages, one after the other."""
    last = {}
    for request in copies(Traffic(6, 100, merchants=20), 2_000):
        terminal = request.key.terminal_id
        assert request.key.stan == last.get(terminal, 0) + 1
        last[terminal] = request.key.stan


def test_cards_and_merchants_are_skewed_as_zipf_says():
    """The hottest card and merchant come as often as their weight, and most cards come rarely."""
    requests = copies(Traffic(9, 1_000), 20_000)
    cards = Counter(request.pan for request in requests)
    merchants = Counter(request.merchant.merchant_id for request in requests)
    assert abs(cards.most_common(1)[0][1] / 20_000 - zipf_weights(1_000, 0.5)[0]) < 0.005
    assert merchants.most_common(1)[0][1] > 20 * 20_000 / len(merchants)


def test_at_least_98_of_100_are_plain_domestic_purchases():
    """What is rarer stays rare, so that a healthy server approves more than 95 %."""
    requests = copies(Traffic(11, 1_000), 10_000)
    plain = sum(
        request.transaction_type == pb.TRANSACTION_TYPE_PURCHASE and request.merchant.country == "US"
        for request in requests
    )
    assert 0.98 <= plain / 10_000 < 1.0


def test_hours_follow_the_day_whatever_the_hour_of_the_run():
    """Far more purchases are made in the local afternoon than before dawn, also in a run at night."""
    midnight_s = NOW_S // DAY_S * DAY_S
    hours = [
        request.local_time.seconds % DAY_S // 3600 for request in copies(Traffic(13, 100), 5_000, midnight_s)
    ]
    assert sum(12 <= hour < 18 for hour in hours) > 10 * sum(1 <= hour < 5 for hour in hours)
