"""When a provider is asked again, and when it is left alone."""

from hypothesis import given
from hypothesis import strategies as st

from compliance.analyst.breaker import Breaker, BreakerState
from compliance.analyst.retries import pause_s


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_pause_stays_below_its_doubling_bound(tried, chance):
    """And below the longest."""
    assert 0 <= pause_s(tried, chance, first_s=0.5, longest_s=5.0) <= min(0.5 * 2 ** (tried - 1), 5.0)


def test_a_pause_is_as_long_as_the_provider_asked_within_the_longest():
    """Retry-After counts, and doesn't hold a worker for an hour."""
    assert pause_s(1, 0.0, first_s=0.5, longest_s=5.0, asked_s=2.0) == 2.0
    assert pause_s(1, 0.9, first_s=0.5, longest_s=5.0, asked_s=3600.0) == 5.0


def test_a_circuit_opens_after_failures_in_a_row_and_one_try_closes_it():
    """A success between them starts the count anew."""
    breaker = Breaker(3, 30.0)
    for _ in range(2):
        breaker.failed(0.0)
    breaker.succeeded()
    for _ in range(3):
        assert breaker.lets_through(1.0)
        breaker.failed(1.0)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.lets_through(30.9)
    assert breaker.lets_through(31.0)
    assert not breaker.lets_through(31.0)  # one at a time
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_a_circuit_opens_again_when_its_try_fails_or_is_given_up():
    """From then on, as long as before."""
    breaker = Breaker(1, 30.0)
    breaker.failed(0.0)
    assert breaker.lets_through(30.0)
    breaker.failed(30.0)
    assert not breaker.lets_through(59.9)
    assert breaker.lets_through(60.0)
    breaker.abandoned(60.0)
    assert not breaker.lets_through(89.9)
    assert breaker.lets_through(90.0)


def test_an_old_answer_does_not_close_an_open_circuit():
    """It was asked before the failures."""
    breaker = Breaker(1, 30.0)
    breaker.failed(0.0)
    breaker.succeeded()
    assert breaker.state is BreakerState.OPEN
