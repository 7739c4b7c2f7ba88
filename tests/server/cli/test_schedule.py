"""Training again when it is due: by a clock that the tests move."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from server.cli.schedule import Every, Outcome, due_after, follow

MONDAY = datetime(2026, 11, 23, 3, tzinfo=UTC)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self, moment):
        self.moment = moment

    def now(self):
        return self.moment

    def sleep(self, pause_s):
        self.moment += timedelta(seconds=pause_s)


def trained(kept, clock, *, rounds=1, outcomes=()):
    """What a weekly schedule says, and when it trained."""
    said, moments = [], []
    results = iter(outcomes)

    def run():
        moments.append(clock.now())
        clock.sleep(600)
        return next(results, Outcome(trained=True, text="fine"))

    follow(Every.WEEKLY, kept, now=clock.now, sleep=clock.sleep, run=run, say=said.append, rounds=rounds)
    return said, moments


@pytest.mark.parametrize(
    ("moment", "every", "due"),
    [
        (MONDAY, Every.WEEKLY, MONDAY + timedelta(days=7)),
        (MONDAY - timedelta(seconds=1), Every.WEEKLY, MONDAY),
        (MONDAY + timedelta(days=6), Every.WEEKLY, MONDAY + timedelta(days=7)),
        (MONDAY, Every.DAILY, MONDAY + timedelta(days=1)),
        (MONDAY - timedelta(hours=1), Every.DAILY, MONDAY),
    ],
)
def test_a_training_is_due_at_three_on_its_day(moment, every, due):
    """Every day, or every Monday; never at the moment itself."""
    assert due_after(moment, every) == due


def test_a_schedule_trains_when_it_is_due_and_says_when_the_next_one_is(tmp_path):
    """Two weeks, two trainings, each on its Monday."""
    said, moments = trained(tmp_path / "kept.json", Clock(MONDAY - timedelta(days=3)), rounds=2)
    assert moments == [MONDAY, MONDAY + timedelta(days=7)]
    assert said == [
        "the next training is due at 2026-11-23 03:00 UTC",
        "fine",
        "the next training is due at 2026-11-30 03:00 UTC",
        "fine",
    ]


def test_a_training_that_fails_is_told_and_the_schedule_goes_on(tmp_path):
    """A week later it is tried again."""
    kept = tmp_path / "kept.json"
    said, moments = trained(
        kept, Clock(MONDAY - timedelta(days=1)), rounds=2, outcomes=[Outcome(trained=False, text="no fraud")]
    )
    assert "no fraud" in said
    assert len(moments) == 2
    assert json.loads(kept.read_bytes())["trained"] is True


def test_a_training_that_nobody_ran_is_made_up_for_at_the_start(tmp_path):
    """The home knows when it was trained last; a damaged note is no reason to stop."""
    kept = tmp_path / "kept.json"
    trained(kept, Clock(MONDAY - timedelta(minutes=5)))
    late = MONDAY + timedelta(days=9)
    assert trained(kept, Clock(late))[1] == [late]
    assert trained(kept, Clock(late + timedelta(days=1)))[1] == [MONDAY + timedelta(days=14)]
    kept.write_text("what", encoding="utf-8")
    assert trained(kept, Clock(late))[1] == [MONDAY + timedelta(days=14)]
