"""A history goes through the features as it would have gone through the server."""

import numpy as np
import pytest

from scoring import passage
from scoring.attempt import Verdict, empty_attempts
from scoring.history import History

T = 1_735_689_600


def history_of(times_s, verdicts, known_s):
    """A history of one card with these times and labels."""
    attempts = empty_attempts(len(times_s))
    attempts["time_s"] = times_s
    attempts["amount_minor"] = np.arange(len(times_s)) + 1
    return History(
        attempts, np.array(verdicts, np.uint8), np.array(known_s), ["a"], "", np.arange(len(times_s))
    )


def heard(history, monkeypatch):
    """What passage tells features, in order: amounts of attempts, and of labels as negative ones."""
    told = []

    class Listening(passage.Passage):
        def observe(self, attempts):
            told.extend(attempts["amount_minor"].tolist())
            return super().observe(attempts)

        def learn(self, labels):
            told.extend((-labels["amount_minor"]).tolist())

    monkeypatch.setattr(passage, "Passage", Listening)
    passage.observe(history)
    return told


def test_a_label_is_learnt_when_it_became_known_and_before_attempts_of_that_second(monkeypatch):
    """Known at the third attempt's second: learnt before it; one second later: after it."""
    fraud = int(Verdict.FRAUD)
    at_once = history_of([T, T + 5, T + 9], [fraud, 0, 0], [T + 9, T + 99, T + 99])
    assert heard(at_once, monkeypatch) == [1, 2, -1, 3]
    later = history_of([T, T + 5, T + 9], [fraud, 0, 0], [T + 10, T + 99, T + 99])
    assert heard(later, monkeypatch) == [1, 2, 3]


def test_labels_are_learnt_in_the_order_in_which_they_became_known(monkeypatch):
    """Not in the order of their transactions."""
    fraud = int(Verdict.FRAUD)
    history = history_of([T, T + 1, T + 50], [fraud, fraud, 0], [T + 40, T + 30, T + 99])
    assert heard(history, monkeypatch) == [1, 2, -2, -1, 3]


def test_labels_name_what_their_attempt_was():
    """Every field of a label is its attempt's."""
    history = history_of([T, T + 1], [0, int(Verdict.DISPUTE)], [T + 9, T + 9])
    labels, before = passage.labels_of(history)
    assert before.tolist() == [2]
    assert labels["time_s"].tolist() == [T + 1]
    assert labels["known_s"].tolist() == [T + 9]
    assert labels["verdict"].tolist() == [Verdict.DISPUTE]


@pytest.mark.parametrize("at_once", [1, 7])
def test_features_do_not_depend_on_how_the_passage_cuts_a_history(monkeypatch, at_once):
    """Runs of any length give the same bits as one call."""
    draw = np.random.default_rng(3)
    times_s = T + np.sort(draw.integers(0, 10_000, 50))
    history = history_of(times_s, np.zeros(50), times_s + 1)
    whole = passage.observe(history)
    monkeypatch.setattr(passage, "_AT_ONCE", at_once)
    assert passage.observe(history).tobytes() == whole.tobytes()
