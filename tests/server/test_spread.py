"""One port for several listeners: nobody else's, and its connections spread."""

import os
import socket

import pytest

from server.spread import Claim, PortClaimed, connections, spread

HOST = "127.0.0.1"


def listener(port, *, shared=True):
    """A listening socket on the port."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        found.bind((HOST, port))
        found.listen(128)
    except OSError:
        found.close()
        raise
    found.setblocking(False)
    return found


def accepted(listening):
    """How many connections wait at a listener."""
    count = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_a_claimed_port_is_shared_with_fronts_and_with_nobody_else():
    """Neither a server that wants it alone, nor a second supervisor."""
    claim = Claim(HOST, 0)
    try:
        with listener(claim.port), listener(claim.port):
            with pytest.raises(OSError, match="in use"):
                listener(claim.port, shared=False)
            with pytest.raises(PortClaimed, match="--port"):
                Claim(HOST, claim.port)
    finally:
        claim.close()


def test_a_port_that_a_server_has_is_not_claimed():
    """A stale one is told of, and nothing is shared with it; even with one that shares."""
    with listener(0) as stale, pytest.raises(PortClaimed):
        Claim(HOST, stale.getsockname()[1])


def test_connections_go_by_their_ports_and_are_counted():
    """Every other port, as the filter says."""
    claim = Claim(HOST, 0)
    listeners = [listener(claim.port), listener(claim.port)]
    clients = []
    try:
        assert spread(claim.port, 2)
        clients = [socket.create_connection((HOST, claim.port)) for _ in range(64)]
        # Both ends are ours: each counts.
        assert connections({7: os.getpid()}, claim.port) == {7: 0}
        wanted = [sum((client.getsockname()[1] >> 1) % 2 == at for client in clients) for at in (0, 1)]
        assert [accepted(one) for one in listeners] == wanted
    finally:
        for one in (*listeners, *clients):
            one.close()
        claim.close()


def test_accepted_connections_are_counted_by_process():
    """Ours are those that we accepted."""
    claim = Claim(HOST, 0)
    try:
        with listener(claim.port) as listening:
            client = socket.create_connection((HOST, claim.port))
            listening.setblocking(True)
            ours, _ = listening.accept()
            with client, ours:
                assert connections({0: os.getpid(), 1: 1 << 22}, claim.port) == {0: 1, 1: 0}
    finally:
        claim.close()


def test_a_host_of_both_families_is_claimed_on_both():
    """One port for all of its addresses."""
    claim = Claim("localhost", 0)
    try:
        with pytest.raises(PortClaimed):
            Claim(HOST, claim.port)
    finally:
        claim.close()
