"""`holdfast backtest`: limits as a file, thresholds as typed, and what is told."""

import json
from decimal import Decimal

import numpy as np
import pytest

from scoring.attempt import empty_attempts
from server.cli import again, backtest
from server.cli.again import NotComparable, Thresholds, read_thresholds
from server.cli.limits_file import LimitsUnreadable, in_force_of, read_limits
from server.cli.past import past_of_history
from server.core.record import EntryMode, TransactionType

BEGIN_S = 1_700_000_000


def cents(text):
    """Minor units of an amount in USD."""
    return int(Decimal(text).scaleb(2))


def written(folder, text):
    path = folder / "new.toml"
    path.write_text(text, encoding="utf-8")
    return path


LIMIT = '[[limit]]\nmeasure = "count"\nwindow = "1h"\nceiling = 3\n'


def test_a_file_of_limits_says_what_limits_set_would(tmp_path):
    """The same words, with the same things left out; amounts in major units, to the minor unit."""
    text = f"""
    keep = true
    {LIMIT}
    [[limit]]
    card = 17
    measure = "amount"
    window = "month"
    ceiling = 1250.10
    name = "holiday"
    state = "shadow"
    [[limit]]
    account = 3
    subject = "merchant"
    measure = "cards"
    of = "attempts"
    window = "24h"
    ceiling = "none"
    """
    found = read_limits(written(tmp_path, text), cents)
    count, amount, lifted = found.limits
    assert found.keep
    assert (count.kind, count.owner, count.name, count.limit.ceiling) == ("programme", "", "count_1h", 3)
    assert (amount.kind, amount.owner, amount.name) == ("card", "17", "holiday")
    assert (amount.limit.ceiling, amount.limit.state) == (125_010, "shadow")
    assert (lifted.kind, lifted.owner, lifted.limit.ceiling) == ("account", "3", None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("keep = 1", "keep = true or false"),
        ("limits = []", "limits is neither"),
        ("[[limit]]\nmeasure = ", "can't be read"),
        ('[[limit]]\nmeasure = "count"\nwindow = "1h"', "limit 1: ceiling is missing"),
        (LIMIT.replace("count", "sum"), "measure: 'sum' is none of count, amount"),
        (LIMIT.replace("1h", "2h"), "window: '2h' is none of 10s"),
        (LIMIT.replace("3", "0"), "ceiling: of count it is 1 to"),
        (LIMIT.replace("3", '"many"'), "ceiling: many is no number of count"),
        (LIMIT.replace("3", "true"), "ceiling: True is no number"),
        (LIMIT.replace("3", '"none"'), "ceiling: none lifts a limit for an account or a card"),
        (LIMIT + 'state = "draft"', "state: 'draft' is none of live, shadow"),
        (LIMIT + "maximum = 3", "maximum is none of programme"),
        (LIMIT + "card = 1\naccount = 2", "belongs to one of programme, account and card"),
        (LIMIT + LIMIT, "limit 2: an earlier one measures the same for the same"),
        (LIMIT + 'of = "declines"\nsubject = "moon"', "subject: 'moon' is none of card"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_place_and_field(text, complaint, tmp_path):
    """What can't be meant is never guessed."""
    with pytest.raises(LimitsUnreadable, match=complaint):
        read_limits(written(tmp_path, text), cents)


def test_limits_of_a_file_join_those_in_force_or_stand_alone(tmp_path):
    """With keep, one that measures the same takes the place of what is in force; else nothing else counts."""
    row = {
        "programme": "standard",
        "account_number": None,
        "card_number": None,
        "name": "old",
        "state": "live",
    }
    row |= {"subject": "card", "measure": "count", "of": "approvals", "window": "1h", "ceiling": 9}
    in_force = [in_force_of(row), in_force_of({**row, "window": "24h"})]
    own = LIMIT + 'programme = "standard"\n'
    kept = read_limits(written(tmp_path, "keep = true\n" + own), cents).over(in_force)
    assert [(owned.limit.window, owned.limit.ceiling) for owned in kept] == [("1h", 3), ("24h", 9)]
    alone = read_limits(written(tmp_path, own), cents).over(in_force)
    assert [owned.limit.window for owned in alone] == ["1h"]


def test_thresholds_are_read_one_or_both_and_refused_by_what_is_wrong():
    """Scores from 0 to 1, each named once."""
    assert read_thresholds("step_up=0.6,decline=0.8") == Thresholds(0.6, 0.8)
    assert read_thresholds(" decline = 1 ") == Thresholds(None, 1.0)
    assert read_thresholds(None) == Thresholds()
    for text in ("decline=2", "decline", "decrease=0.5", "decline=0.5,decline=0.6", "step_up=nan", ""):
        with pytest.raises(NotComparable, match="is not step_up or decline with a score from 0 to 1"):
            read_thresholds(text)


class History:
    """Six payments of two cards, two of them fraud, ten minutes apart."""

    def __init__(self):
        self.attempts = empty_attempts(6)
        self.attempts["time_s"] = BEGIN_S + 600 * np.arange(6)
        self.attempts["amount_minor"] = [1_000, 2_000, 3_000, 4_000, 5_000, 6_000]
        self.attempts["card_row"] = self.attempts["account"] = [0, 0, 0, 0, 1, 1]
        self.attempts["transaction_type"] = TransactionType.PURCHASE
        self.attempts["entry_mode"] = [EntryMode.CHIP] * 5 + [EntryMode.ECOMMERCE]
        self.cards = ["4000000000000001", "4000000000000002"]
        self.rows = np.array([5, 4, 3, 2, 1, 0])
        self.is_fraud = np.array([False, False, False, True, False, True])
        self.is_labelled = True


@pytest.fixture
def told(monkeypatch):
    """Runs the command on the history with scores as given, before and after; what it would print as JSON."""
    found = {}

    def run(scores_before, scores_after=None, **options):
        past = past_of_history(
            History(), np.zeros((6, 1), np.float32), currency=840, zone="UTC", thresholds=(0.65, 0.85)
        )
        scores = {"": scores_before, "new": scores_after}
        monkeypatch.setattr(again, "of_file", lambda *_: past)
        monkeypatch.setattr(
            again, "_scores", lambda _past, model, _home: np.array(scores[model or ""], np.float32)
        )
        monkeypatch.setattr(
            backtest, "show", lambda document, **rest: found.update(document=document, **rest)
        )
        given = dict.fromkeys(
            ("limits", "thresholds", "model", "against", "since", "programme", "customers", "home")
        )
        data = options.pop("data")
        backtest.backtest(data=data, currency="USD", zone="UTC", as_json=True, **{**given, **options})
        assert found["table"]()
        return json.loads(json.dumps(found["document"]))

    return run


def test_a_backtest_tells_approvals_gained_and_lost_with_money_and_examples(told, tmp_path):
    """Limits that refuse more, thresholds that ask more: each change with its reason, before and after."""
    document = told(
        [0.1, 0.9, 0.1, 0.1, 0.1, 0.7],
        data=tmp_path / "history.parquet",
        limits=written(tmp_path, LIMIT.replace("3", "2")),
        thresholds="decline=0.95",
    )
    assert document["currency"] == "USD"
    assert document["before"]["score"]["count"] == document["before"]["step_up"]["count"] == 1
    assert document["gained"] == {
        "count": 1,
        "amount_minor": 2_000,
        "fraud_count": 0,
        "fraud_amount_minor": 0,
    }
    assert document["lost"] == {
        "count": 2,
        "amount_minor": 7_000,
        "fraud_count": 1,
        "fraud_amount_minor": 4_000,
    }
    first = document["examples"]["lost"][0]
    assert (first["id"], first["card"], first["is_fraud"]) == ("row 2", "…0001", True)
    assert first["before"] == {"outcome": "approved", "limit": None, "score": 0.1}
    assert first["after"] == {"outcome": "limit_frequency", "limit": "count_1h", "score": 0.1}
    assert document["limits"] == [
        {
            "name": "count_1h",
            "refused_before": 0,
            "on_paper_before": 0,
            "refused_after": 2,
            "on_paper_after": 0,
        }
    ]


def test_another_model_is_compared_on_the_same_features(told, tmp_path):
    """Nothing changes but the scores."""
    document = told(
        [0.1] * 6, [0.1, 0.1, 0.1, 0.99, 0.1, 0.99], data=tmp_path / "history.parquet", model="new"
    )
    assert document["lost"]["fraud_count"] == document["lost"]["count"] == 2
    assert document["gained"]["count"] == 0


def test_what_can_not_be_compared_is_refused_by_name(told, tmp_path):
    """An unknown programme, card or nothing at all: said, not guessed."""
    data = tmp_path / "history.parquet"
    with pytest.raises(backtest.typer.Exit):
        told([0.1] * 6, data=data, programme="gold")
    with pytest.raises(backtest.typer.Exit):
        told([0.1] * 6, data=data, limits=written(tmp_path, LIMIT + "card = 4711"))
    with pytest.raises(backtest.typer.Exit):
        told([0.1] * 6, data=data, thresholds="step_up=0.9")


def test_a_history_without_labels_has_no_fraud_to_split():
    """Then there are counts and money alone."""
    history = History()
    history.is_labelled = False
    past = past_of_history(
        history, np.zeros((6, 1), np.float32), currency=840, zone="UTC", thresholds=(0.65, 0.85)
    )
    assert past.is_fraud is None
