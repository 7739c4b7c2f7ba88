"""Laundering patterns are found by time and amount, not by how many transfers there are."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from compliance.rules.graph import OWN_MIN, SHRINK, WINDOW, Graph, Pattern, odd_transfers, suspects
from compliance.rules.graph_file import GraphFileError, read_graph, read_labels
from loadtest.aml_bench import GRAPHS, aml_figures

DATA = Path(__file__).parents[3].parent / "shared/data/aml"


def graph_of(*transfers):
    """Of (source, target, amount_minor, step)."""
    return Graph.of(*(np.array(column, np.int64) for column in zip(*transfers, strict=True)))


def market(seed=1, parties=200, days=60):
    """Ordinary life: everybody sends an amount of their own to somebody, again and again."""
    random = np.random.default_rng(seed)
    usual = random.integers(10_000, 60_000, parties)
    return [
        (int(sender), int((sender + random.integers(1, parties)) % parties), int(usual[sender]), int(day))
        for day in range(days)
        for sender in random.choice(parties, 20, replace=False)
    ]


def test_ordinary_life_holds_hardly_any_pattern():
    """Hubs and repeated amounts are no evidence."""
    assert len(suspects(graph_of(*market())).patterns) <= 4


@pytest.mark.parametrize("length", [3, 6, 10])
def test_a_cycle_is_found_when_money_comes_back_a_little_smaller(length):
    """Everybody on it is named, and nobody else."""
    ring = [(1_000 + i, 1_000 + (i + 1) % length, 30_000 - 200 * i, 5 + 2 * i) for i in range(length)]
    found = suspects(graph_of(*market(), *ring))
    cycle = {party for party, patterns in found.patterns.items() if Pattern.CYCLE in patterns}
    assert {party for party in cycle if party >= 1_000} == {1_000 + i for i in range(length)}


@pytest.mark.parametrize(
    "ring",
    [
        [(0, 1, 900, 1), (1, 0, 900, 2)],
        [(0, 1, 900, 3), (1, 2, 900, 2), (2, 0, 900, 1)],
        [(0, 1, 900, 1), (1, 2, 900, 2), (2, 0, 900, 2 + WINDOW)],
        [(0, 1, 900, 1), (1, 2, int(900 * (1 - SHRINK)) - 1, 2), (2, 0, 800, 3)],
        [(0, 1, 900, 1), (1, 2, 901, 2), (2, 0, 900, 3)],
    ],
    ids=["two parties", "against time", "too slow", "too much lost", "more than came"],
)
def test_what_is_no_cycle_is_not_called_one(ring):
    """Each condition by itself."""
    assert suspects(graph_of(*ring)).patterns == {}


def test_a_fan_in_of_odd_amounts_is_found_and_one_alone_is_not():
    """Three that send a hundredth of their usual to one party; a fourth who does so elsewhere has no company."""
    fan = [(sender, 500, 200 + sender, 20 + sender) for sender in range(3)]
    alone = [(3, 501, 200, 20)]
    life = [(sender, 100 + day, 30_000 + sender, day) for sender in range(4) for day in range(10)]
    found = suspects(graph_of(*life, *fan, *alone)).patterns
    assert set(found) == {0, 1, 2, 500}
    assert found[500] == {Pattern.FAN_IN}


def test_money_that_passes_through_is_found():
    """In odd, out again like it, later."""
    life = [(sender, 100 + day, 30_000 + sender, day) for sender in range(3) for day in range(10)]
    found = suspects(graph_of(*life, (0, 1, 900, 20), (1, 2, 850, 21))).patterns
    assert Pattern.PASS_THROUGH in found[1]


def test_an_amount_is_odd_beside_the_days_of_its_sender():
    """A burst of one day is one day; fewer days make no habit."""
    days = [(0, 9, 10_000, day) for day in range(OWN_MIN + 1)]
    burst = [(0, 9, 2_000, 50)] * 20
    other = [(5 + i, 9, 2_000 + 300 * i, i) for i in range(200)]
    odd = odd_transfers(graph_of(*days, *burst, *other))
    assert odd.sum() == 20
    assert not odd_transfers(graph_of(*days[:2], *burst[:1])).any()


def test_a_graph_without_transfers_has_no_patterns():
    """An empty file, an empty home."""
    graph, names = read_graph(["source,target,amount,time"])
    assert suspects(graph).patterns == {}
    assert names == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "no column source"),
        (["a,b,c,d", "1,2,3,4"], "no column source"),
        (["source,target,amount,time", "1,2,3"], "line 2 has 3 of 4 columns"),
        (["source,target,amount,time", "1,2,-3,4"], "line 2: amount '-3'"),
        (["source,target,amount,time", "1,2,nan,4"], "line 2: amount 'nan'"),
        (["source,target,amount,time", "1,2,3,soon"], "line 2: time 'soon'"),
    ],
)
def test_a_file_that_is_no_graph_is_refused_with_line_and_column(lines, told):
    """What is wrong, where, and what is allowed."""
    with pytest.raises(GraphFileError, match=told):
        read_graph(lines)


def test_labels_without_their_columns_are_refused():
    """They name what they need."""
    with pytest.raises(GraphFileError, match="nodeid and isFraud"):
        read_labels(["id,label", "1,1"])


def test_amlsim_is_told_better_than_by_counting_degrees():
    """On both graphs, by precision and by recall, although the labels choose the degree's threshold."""
    if not all((DATA / name).exists() for name in GRAPHS):
        pytest.skip(f"AMLSim's graphs are not in {DATA}")
    document = aml_figures(DATA, lambda _: None)
    for found in document["details"].values():
        assert found["patterns"]["precision"] > max(0.9, found["counting_degrees"]["precision"])
        assert found["patterns"]["recall"] > max(0.6, found["counting_degrees"]["recall"])
    assert document["passes"]


def test_an_archive_without_transfers_is_refused(tmp_path):
    """Not a traceback about None."""
    for name in GRAPHS:
        with tarfile.open(tmp_path / name, "w:gz"):
            pass
    with pytest.raises(ValueError, match=r"no transactions\.csv"):
        aml_figures(tmp_path, lambda _: None)
