"""Calls that are wrong in a room, each with what to do instead."""

import ast

import pytest

from tests.house.sources import calls, inside, modules, tree

BANNED = [
    ("time.time", ("server.core", "scoring"), "take the message's own time, or a clock that is handed in"),
    ("time.time_ns", ("server.core", "scoring", "ledger"), "take a clock that is handed in"),
    ("time.sleep", ("server.core", "server.front", "scoring", "ledger"), "wait on what you wait for"),
    ("datetime.now", ("server.core", "server.front", "ledger", "scoring"), "take the time as an argument"),
    ("float", ("ledger",), "money is int64 minor units"),
    ("round", ("ledger",), "money is int64 minor units"),
    ("print", ("ledger", "scoring", "server"), "server.cli.output speaks to people, structlog to operators"),
    (
        "os.fork",
        ("ledger", "scoring", "server", "loadtest"),
        "spawn: gRPC, LightGBM and TigerBeetle don't survive",
    ),
    ("asyncio.get_event_loop", ("ledger", "scoring", "server", "loadtest"), "asyncio.get_running_loop"),
    ("logging.getLogger", ("server",), "structlog.get_logger"),
]
EXCEPTIONS: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize(("call", "places", "instead"), BANNED)
def test_a_banned_call_does_not_stand_in_these_places(call, places, instead):
    """The message says what to do."""
    found = [
        f"{name}:{line} calls {call}: {instead}"
        for name in modules()
        if inside(name, places) and (name, call) not in EXCEPTIONS
        for text, line in calls(name)
        if text == call
    ]
    assert found == []


def test_every_exception_from_a_ban_is_still_needed():
    """An exception that nobody makes is taken back."""
    assert [pair for pair in EXCEPTIONS if pair[1] not in {text for text, _ in calls(pair[0])}] == []


def test_no_error_is_caught_without_a_name_for_it():
    """No bare `except`."""
    bare = [
        f"{name}:{node.lineno}"
        for name in modules()
        for node in ast.walk(tree(modules()[name]))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_no_file_is_named_for_what_it_is_not():
    """A helper stands beside its only caller."""
    nameless = {"utils", "helpers", "common", "models", "services", "misc"}
    assert [name for name in modules() if name.split(".")[-1] in nameless] == []
