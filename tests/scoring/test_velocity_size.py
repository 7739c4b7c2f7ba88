"""What a card costs in memory, its account included: few bytes where it is quiet."""

import numpy as np
import pytest

from scoring.velocity import STEP, STEP_RESERVE, Velocity

CARDS = 2_000
T0 = 1_750_000_000


def lived(days, share):
    """Cards that pay on a share of the days, at 30 merchants each, from one device, one card an account."""
    rng = np.random.default_rng(4)
    velocity = Velocity(CARDS, CARDS + 1)
    for day in range(days):
        rows = np.flatnonzero(rng.random(CARDS) < share)
        steps = np.zeros(len(rows), STEP)
        steps["card_row"], steps["account"] = rows, rows + 1
        steps["time_s"] = T0 + day * 86_400 + np.sort(rng.integers(0, 86_400, len(rows)))
        steps["amount_minor"] = rng.integers(1, 20_000, len(rows))
        steps["merchant"] = rng.zipf(1.5, len(rows)) % 30 + 1
        steps["country"], steps["category"] = 840, steps["merchant"] % 8 + 1
        steps["device"] = steps["ip"] = rows + 1
        steps["step"], steps["day_id"], steps["month_id"] = STEP_RESERVE, day + 1, 1
        velocity.retrace(steps)
    return velocity


@pytest.mark.parametrize(
    ("name", "days", "share", "most"),
    [("once", 1, 1.0, 130), ("ten days a month", 40, 1 / 3, 350), ("daily", 40, 1.0, 520)],
)
def test_a_card_costs_few_bytes_at_its_use(name, days, share, most):
    """Ten million cards at ten days a month take 3.2 GB, so that features have the rest of six."""
    each = lived(days, share).card_bytes / CARDS
    print(f"{name}: {each:.0f} bytes a card")
    assert each < most
