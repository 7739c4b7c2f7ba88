"""
TigerBeetle's own client library, by its C interface: packets down, completions up, arrays both ways.

The library keeps one thread for each client. It takes a packet from any other thread, and answers each by a callback
on its own; the memory of packet and batch is ours and must stay until then. It never gives up on a packet: only the
answer, the end of its session, or `deinit` completes it. It does not survive a fork.
Source: the C client (tb_client.h) of TigerBeetle 0.17.9.
"""

import atexit
import ctypes
import os
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from importlib import metadata
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RELEASE: Final = "0.17.9"
"""The client's release; TigerBeetle's records and statuses in `ledger.transfer` are those of this one."""

Completed = Callable[[int, int, NDArray[np.uint8]], None]
"""Takes a packet's number, its PacketStatus and the answer's bytes, our own; called on the client's thread."""


class Operation(IntEnum):
    """What a packet asks."""

    LOOKUP_ACCOUNTS = 140
    LOOKUP_TRANSFERS = 141
    GET_ACCOUNT_TRANSFERS = 142
    GET_ACCOUNT_BALANCES = 143
    QUERY_ACCOUNTS = 144
    QUERY_TRANSFERS = 145
    CREATE_ACCOUNTS = 146
    CREATE_TRANSFERS = 147


class PacketStatus(IntEnum):
    """How a packet ended."""

    OK = 0
    TOO_MUCH_DATA = 1
    CLIENT_EVICTED = 2
    CLIENT_RELEASE_TOO_LOW = 3
    CLIENT_RELEASE_TOO_HIGH = 4
    CLIENT_SHUTDOWN = 5
    INVALID_OPERATION = 6
    INVALID_DATA_SIZE = 7


class NativeError(Exception):
    """The client could not be made; the message says why."""


class NativeClient:
    """One client of the library, with its thread. Used by the process that made it, and by none forked from it."""

    def __init__(self, cluster_id: int, addresses: str, completed: Completed) -> None:
        """Connects to `IP:port,IP:port,...` in the background. Raises NativeError."""
        self._library = library()
        self._pid = os.getpid()
        self._is_open = True
        self._packets: dict[int, tuple[Any, NDArray[Any]]] = {}
        self._completed = completed
        bindings = self._library.bindings
        self._client = bindings.CClient()
        self._on_completion = bindings.OnCompletion(self._on_completed)
        self._cluster_id = (ctypes.c_uint8 * 16).from_buffer_copy(cluster_id.to_bytes(16, "little"))
        text = addresses.encode("ascii")
        status = bindings.tb_client_init(
            ctypes.byref(self._client),
            ctypes.byref(self._cluster_id),
            text,
            len(text),
            None,
            self._on_completion,
        )
        if status != bindings.InitStatus.SUCCESS:
            raise NativeError(f"TigerBeetle's client refuses {addresses}: {status.name.lower()}")
        # Its thread writes to these until it has ended, whoever still knows of us.
        self._library.kept.append(self)
        # At the interpreter's end a thread of the library's that calls back aborts the process.
        atexit.register(self.deinit)

    @property
    def is_ours(self) -> bool:
        """Whether this process made the client: after a fork, the child has no thread that would answer."""
        return self._pid == os.getpid()

    def answer_to(self, completed: Completed) -> None:
        """From now on completions go there."""
        self._completed = completed

    def submit(self, number: int, operation: Operation, batch: NDArray[Any]) -> bool:
        """
        Hand down a batch as it lies in memory; `number`, from 1 on, comes back with its completion.

        False where the client has ended its session: then nothing of it was taken. Never on the client's thread.
        """
        packet = self._library.bindings.CPacket()
        packet.user_data = number
        packet.operation = operation
        packet.data_size = batch.nbytes
        packet.data = batch.ctypes.data
        self._packets[number] = packet, batch
        status = self._library.bindings.tb_client_submit(ctypes.byref(self._client), ctypes.byref(packet))
        if status != self._library.bindings.ClientStatus.OK:
            del self._packets[number]
            return False
        return True

    def deinit(self) -> None:
        """End the client: what is under way completes as CLIENT_SHUTDOWN. Blocks; a second call does nothing."""
        if not self.is_ours or not self._is_open:
            return
        self._is_open = False
        atexit.unregister(self.deinit)
        bindings = self._library.bindings
        if bindings.tb_client_deinit(ctypes.byref(self._client)) == bindings.ClientStatus.OK:
            self._library.kept.remove(self)

    def _on_completed(self, _context: int, packet: Any, _timestamp: int, data: int | None, size: int) -> None:
        number, status = packet.contents.user_data, packet.contents.status
        # The library's memory is only lent.
        answer = np.empty(size, np.uint8)
        if data is not None:
            ctypes.memmove(answer.ctypes.data, data, size)
        del self._packets[number]
        self._completed(number, status, answer)


class Library:
    """The loaded library: its bindings, what it last complained of, and the clients that it may still write to."""

    def __init__(self, bindings: Any) -> None:
        self.bindings = bindings
        self.complaints: deque[str] = deque(maxlen=16)
        self.kept: list[NativeClient] = []
        self._log = bindings.LogHandler(self._on_log)
        # The package's own handler formats every debug line in Python, on the thread that answers.
        bindings.tb_client_register_log_callback(None, False)
        bindings.tb_client_register_log_callback(self._log, False)

    def _on_log(self, level: int, text: int, size: int) -> None:
        if level <= self.bindings.LogLevel.WARN:
            self.complaints.append(ctypes.string_at(text, size).decode("utf-8", "replace"))


@cache
def library() -> Library:
    """Load it; once. Raises NativeError where the installed one is of another release."""
    found = metadata.version("tigerbeetle")
    if found != RELEASE:
        raise NativeError(f"the installed TigerBeetle client is {found}; Holdfast speaks {RELEASE}")
    from tigerbeetle import bindings

    return Library(bindings)
