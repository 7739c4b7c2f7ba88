"""Damaged bytes, in short: whatever a stranger sends or a disk gives back is taken or refused, and never a crash."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

SHORT = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)  # fmt: skip


@st.composite
def damaged(draw, seeds):
    """One of the seeds with some bytes changed, cut, repeated or put in; or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        change = draw(st.integers(0, 3))
        if change == 0:
            data[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif change == 1:
            data[place:place] = draw(st.binary(min_size=1, max_size=12))
        elif change == 2:
            del data[place : place + draw(st.integers(1, 12))]
        else:
            data += data[place : place + draw(st.integers(1, 300))]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_good(name):
    """What damage is done to is taken as it is."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_bytes_are_taken_or_refused(name):
    """By the errors that are named; whatever else happens is ours to mend."""
    target = TARGETS[name]
    given(damaged(target.seeds()))(SHORT(target.run))()
