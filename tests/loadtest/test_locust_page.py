"""Locust's web page drives the same users: what can be picked there, and that it pays."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from loadtest.processes import free_port, stop
from loadtest.report import LOCUSTFILE

WAIT_S = 60.0


@pytest.fixture
def page(empty_server):
    """A running Locust with its class picker; its base URL."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", empty_server.target),
        *("--web-host", "127.0.0.1", "--web-port", str(port), "--class-picker"),
    ]
    environment = {**os.environ, "HOLDFAST_LOADTEST_CARDS": "100", "HOLDFAST_SHAPE": ""}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        while b"web interface" not in (line := process.stderr.readline()):
            assert line, "Locust has ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)
        process.stderr.close()


def ask(url, **form):
    data = urllib.parse.urlencode(form, doseq=True).encode() if form else None
    with urllib.request.urlopen(url, data, timeout=10) as answer:
        return answer.read().decode()


def answered(url):
    """What a page says; nothing while nobody listens: Locust tells of its page a moment before."""
    try:
        return ask(url)
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ConnectionRefusedError):
            raise
        return ""


def until(read, said):
    """Ask until the answer is as wanted."""
    deadline_s = time.monotonic() + WAIT_S
    while not said(found := read()):
        assert time.monotonic() < deadline_s, "the page did not come to it in time"
    return found


def test_the_page_offers_all_shapes_and_pays_as_picked(page):
    """Users and shapes stand there to pick; a start of one kind is seen in the statistics, under its codes."""
    shown = until(lambda: answered(page), lambda text: "Locust" in text)
    for name in ("Cardholder", "HotCard", "HotMerchant", "Repeater", "Steady", "Ramp", "Spike"):
        assert name in shown
    started = json.loads(
        ask(f"{page}/swarm", user_count=3, spawn_rate=3, user_classes="HotCard", shape_class="Default")
    )
    assert started["success"]
    told = until(
        lambda: json.loads(ask(f"{page}/stats/requests")),
        lambda stats: any(entry["num_requests"] > 5 for entry in stats["stats"]),
    )
    assert {entry["name"] for entry in told["stats"]} == {"Authorize 00", "Aggregated"}
    assert told["user_count"] == 3
    assert json.loads(ask(f"{page}/stop", really="yes"))["success"]
