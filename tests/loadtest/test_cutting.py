"""The proxy does to connections what it is told."""

import socket
import struct
import threading
import time

import pytest

from loadtest.cutting import Proxy

WAIT_S = 10.0
SOON_S = 0.2


class Echo:
    """A server that says again what it hears."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken):
        with taken:
            try:
                while data := taken.recv(1 << 16):
                    if data == b"reset":
                        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
                    taken.sendall(data)
            except ConnectionError:
                pass
            self.ended.set()

    def close(self):
        """Take nobody any more."""
        self._socket.close()


@pytest.fixture
def echo():
    """An echo."""
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo):
    """A proxy in front of it."""
    with Proxy(echo.address) as running:
        yield running


@pytest.fixture
def line(proxy):
    """A connection through it, known to work."""
    with connect(proxy) as made:
        assert ask(made) == b"hello"
        yield made


def connect(proxy):
    """A connection through the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def ask(line, text=b"hello"):
    """What comes back."""
    line.sendall(text)
    return line.recv(1 << 16)


def hears_nothing(line):
    """Whether nothing comes, and the connection stays."""
    line.settimeout(SOON_S)
    try:
        line.recv(1)
    except TimeoutError:
        return True
    finally:
        line.settimeout(WAIT_S)
    return False


def test_bytes_come_late_by_the_latency_of_both_ways(proxy, line):
    """There and back again."""
    proxy.slow(latency_s=0.05)
    began_s = time.monotonic()
    assert ask(line) == b"hello"
    assert 0.1 <= time.monotonic() - began_s < WAIT_S


def test_bytes_come_no_faster_than_they_may(proxy, line):
    """A second chunk waits for the first one's time."""
    proxy.slow(bytes_per_s=100_000)
    began_s = time.monotonic()
    for _ in range(3):
        ask(line, bytes(5_000))
    assert time.monotonic() - began_s >= 0.1


def test_black_hole_keeps_connections_and_gives_everything_back_after_it(proxy, line):
    """Nothing is lost, nothing is told."""
    proxy.blackhole()
    line.sendall(b"one")
    assert hears_nothing(line)
    proxy.fair()
    assert line.recv(10) == b"one"


def test_cut_resets_what_is_there_and_takes_what_comes_then(proxy, line):
    """A client hears of it at once, and may come again."""
    assert proxy.cut() == 1
    with pytest.raises(ConnectionError):
        line.recv(1)
    with connect(proxy) as again:
        assert ask(again) == b"hello"


def test_connections_are_refused_until_the_weather_is_fair(proxy, line):
    """Neither the old connection lives on nor a new one."""
    proxy.refuse()
    with pytest.raises(ConnectionError):
        line.recv(1)
    with pytest.raises(ConnectionError), connect(proxy) as refused:
        refused.recv(1)
    proxy.fair()
    with connect(proxy) as new:
        assert ask(new) == b"hello"


def test_half_open_leaves_the_client_alone_when_the_server_is_gone(echo, proxy, line):
    """The server has heard the end, the client nothing."""
    assert proxy.half_open("client") == 1
    assert echo.ended.wait(WAIT_S)
    line.sendall(b"anybody?")
    assert hears_nothing(line)


def test_half_open_leaves_the_server_alone_when_the_client_is_gone(echo, proxy, line):
    """The client has heard the end, the server nothing."""
    assert proxy.half_open("server") == 1
    with pytest.raises(ConnectionError):
        line.recv(1)
    assert not echo.ended.wait(SOON_S)


def test_new_connections_go_elsewhere_when_they_are_led_there(proxy, line):
    """The old ones end."""
    other = Echo()
    proxy.lead_to(other.address)
    with pytest.raises(ConnectionError):
        line.recv(1)
    with connect(proxy) as new:
        assert ask(new) == b"hello"
    assert other.ended.wait(WAIT_S)
    other.close()


def test_a_server_that_resets_takes_the_client_along(line):
    """As one that is killed with something unread; the client isn't left alone with a dead connection."""
    line.sendall(b"reset")
    line.settimeout(WAIT_S)
    with pytest.raises(ConnectionResetError):
        line.recv(1)
