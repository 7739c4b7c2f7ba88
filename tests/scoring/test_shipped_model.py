"""The model that comes with the package: it catches fraud, and leaves plain traffic alone."""

import numpy as np
import pytest

from scoring import registry
from scoring.attempt import empty_attempts
from scoring.passage import Passage
from tests.scoring.plain_traffic import HOURS, SCENARIOS, traffic

STEP_UP = 0.65
ATTEMPTS = 3_000


@pytest.fixture(scope="module")
def shipped():
    """The shipped model, loaded once."""
    return registry.open(registry.shipped())


def test_the_shipped_model_is_small_and_measured(shipped):
    """Under a megabyte, and its manifest says what it does on cards it never met."""
    folder = registry.shipped()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    assert shipped.version == folder.name
    unseen = shipped.manifest.metrics["cards_unseen"]
    assert unseen["average_precision"] > 0.94
    assert unseen["recall_at_fpr_0.001"] > 0.9


@pytest.mark.parametrize("hour", HOURS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_plain_traffic_is_left_alone(scenario, hour, shipped):
    """Of ordinary purchases, at any pace, hour and category and with fields missing, 97 % pass the step-up."""
    attempts = traffic(scenario, hour, ATTEMPTS, seed=hour)
    scores = shipped.score(Passage(scenario.cards, 1).observe(attempts))
    assert (scores <= STEP_UP).mean() >= 0.97


def test_a_night_of_expensive_shopping_after_a_quiet_life_is_fraud(shipped):
    """A card that pays about 40.00 by day for two months, then 900.00 to 1,000.00 online, nine times a night."""
    rng = np.random.default_rng(1)
    attempts = empty_attempts(129)
    noon_s = 1_780_000_000 // 86_400 * 86_400 + 12 * 3600
    attempts["time_s"][:120] = noon_s + np.arange(120) * 43_200 + rng.integers(0, 7_000, 120)
    attempts["time_s"][:120] -= attempts["time_s"][:120] // 43_200 % 2 * 14_400
    attempts["time_s"][120:] = attempts["time_s"][119] // 86_400 * 86_400 + 86_400 + np.arange(9) * 1_200
    attempts["local_time_s"] = attempts["time_s"]
    attempts["amount_minor"][:120] = np.exp(rng.normal(np.log(4_000), 0.5, 120))
    attempts["amount_minor"][120:] = rng.integers(90_000, 100_000, 9)
    attempts["category"][:120], attempts["category"][120:] = 5812, 5969
    attempts["entry_mode"][:120], attempts["entry_mode"][120:] = 3, 5
    attempts["card_present"] = attempts["entry_mode"] == 3
    attempts["country"] = attempts["home_country"] = 840
    scores = shipped.score(Passage(1, 1).observe(attempts))
    assert (scores[:120] <= STEP_UP).mean() > 0.97
    assert (scores[120:] > STEP_UP).mean() > 0.7
