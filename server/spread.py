"""
One port, several listeners: claimed by one supervisor, its connections spread over the fronts, and counted.

The claim is a bound socket that does not listen. It is bound alone, so that no stale server can have the port, and
shared from then on (SO_REUSEPORT), so that the fronts may listen on it; whoever comes later and asks for the port alone is
refused. Which front a connection goes to is said by a filter on the listening group: by the client's port without its
lowest bit, which Linux keeps even for whoever connects. Source: socket(7), SO_ATTACH_REUSEPORT_CBPF.
"""

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_ATTACH_FILTER: Final = 51  # SO_ATTACH_REUSEPORT_CBPF, which the socket module does not name
_NETWORK: Final = 0xFFF0_0000  # SKF_NET_OFF: from here on offsets count from the network header
_IPV6_HEADER_SIZE: Final = 40
_INSTRUCTION: Final = struct.Struct("HBBI")
_FILTER: Final = struct.Struct("HP")
_ESTABLISHED: Final = "01"


class PortClaimed(OSError):  # noqa: N818 - told as what it is
    """The address can't be claimed; the text says what to do."""


class Claim:
    """A port that is ours, on every address of a host."""

    def __init__(self, host: str, port: int) -> None:
        """Raises PortClaimed where somebody has it."""
        self.port = port
        self._sockets: list[socket.socket] = []
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                claimed = socket.socket(family, kind, protocol)
                self._sockets.append(claimed)
                if family == socket.AF_INET6:
                    claimed.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                claimed.bind((address[0], self.port, *address[2:]))
                claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                self.port = int(claimed.getsockname()[1])
        except OSError as error:
            self.close()
            raise PortClaimed(
                f"{host}:{port} can't be served on ({error}): is another server running there? Choose another with --port."
            ) from error

    def close(self) -> None:
        """Let the port go."""
        for claimed in self._sockets:
            claimed.close()
        self._sockets.clear()


def spread(port: int, fronts: int) -> bool:
    """Spread the connections to `port` over so many listeners, one of which is this process's; whether that took."""
    program = _program(fronts)
    loaded = ctypes.create_string_buffer(program, len(program))
    wanted = _FILTER.pack(len(program) // _INSTRUCTION.size, ctypes.addressof(loaded))
    took = False
    for listening in _listening(port):
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, wanted)
            took = True
    return took


def connections(processes: Mapping[int, int], port: int) -> dict[int, int]:
    """How many connections to `port` each has, of processes by number (number → process id)."""
    inodes = _established(port)
    return {number: len(inodes & _sockets_of(pid)) for number, pid in processes.items()}


def _program(fronts: int) -> bytes:
    """By the client's port: (port >> 1) mod `fronts`, of IPv4 or IPv6. A listener that is not there leaves it to a hash."""
    lines = (
        (0x30, 0, 0, _NETWORK),  # A = first byte of the network header
        (0x74, 0, 0, 4),  # A >>= 4: the version
        (0x15, 0, 2, 4),  # unless it is 4, go to IPv6
        (0xB1, 0, 0, _NETWORK),  # X = size of the IPv4 header
        (0x05, 0, 0, 1),  # go on
        (0x01, 0, 0, _IPV6_HEADER_SIZE),  # X = size of the IPv6 header
        (0x48, 0, 0, _NETWORK),  # A = the client's port
        (0x74, 0, 0, 1),  # A >>= 1
        (0x94, 0, 0, fronts),  # A %= fronts
        (0x16, 0, 0, 0),  # that listener
    )
    return b"".join(_INSTRUCTION.pack(*line) for line in lines)


def _listening(port: int) -> Iterator[socket.socket]:
    """Our listening sockets on `port`, as copies that end with each turn."""
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            found = socket.socket(fileno=os.dup(int(descriptor.name)))
        except OSError:
            continue  # no socket, or gone
        with found:
            try:
                listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                address = found.getsockname()
            except OSError:
                continue
            if listens and isinstance(address, tuple) and address[1] == port:
                yield found


def _established(port: int) -> set[str]:
    """Inodes of all established connections whose own end is `port`."""
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _sockets_of(pid: int) -> set[str]:
    """Inodes of a process's sockets."""
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
