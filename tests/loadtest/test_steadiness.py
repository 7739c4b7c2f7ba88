"""What a long run says of a server that leaks, and of one that doesn't."""

import pytest

from loadtest.steadiness import Sample, steadiness_figures


def run(**leaks):
    """Forty samples of a server that grows by so much a sample in some way, beside books that grow for good."""

    def made(i):
        books = 1e8 + i * 1e7
        return Sample(
            requests=i * 1_000,
            rss_bytes=int(3e8 + books + i * leaks.get("memory", 0) + min(i, 5) * leaks.get("garbage", 0)),
            handles=40 + i * leaks.get("handles", 0),
            threads=20 + i * leaks.get("threads", 0),
            tasks=60.0 + i * leaks.get("tasks", 0),
            parts_bytes={"ledger": books, "repeats": 5e7 * (1 + i * leaks.get("answers", 0))},
        )

    return {figure.name: figure.passes for figure in steadiness_figures([made(i) for i in range(41)])}


def test_a_server_that_keeps_only_its_books_is_steady():
    """What the embedded ledger keeps for good is told apart from what is lost."""
    assert all(run().values())


@pytest.mark.parametrize(
    ("leak", "each", "named"),
    [
        ("memory", 2e7, "memory not accounted for"),
        ("answers", 0.1, "memory of answers kept"),
        ("handles", 1, "handles"),
        ("threads", 1, "threads"),
        ("tasks", 10, "tasks"),
    ],
)
def test_a_leak_is_named(leak, each, named):
    """And nothing else is blamed."""
    figures = run(**{leak: each})
    if leak != "answers":
        assert {name.split(",")[0] for name, passes in figures.items() if not passes} == {named}
    else:
        assert not figures[named]


def test_memory_that_nobody_accounts_for_is_named_though_it_does_not_grow_for_ever():
    """Garbage that is looked for too seldom comes to a standstill, at several times of what works."""
    figures = run(garbage=1e8)
    assert [name for name, passes in figures.items() if not passes] == [
        "memory not accounted for, at the most"
    ]
