"""
The leanest client's half of HTTP/2 and gRPC: bytes in, whole gRPC messages out; it knows no socket and no clock.

A load generator that shares two cores with the server it measures must cost almost nothing itself. gRPC's own Python
clients cost about as much as the empty server, so what they measure is themselves. This one sends bytes that were
made before the run, takes whole messages from what comes back, and does nothing else: no header decoding, no
deadline, no retry. It is a measuring instrument, not a client to copy; `replay` shows how a sender is written.

Sources: RFC 9113 (frames, flow control), RFC 7541 (header compression), gRPC over HTTP/2.
"""

import struct
from typing import Final

FRAME_SIZE_MAX: Final = 16_384
"""Largest frame that every HTTP/2 server takes (RFC 9113, SETTINGS_MAX_FRAME_SIZE's initial value)."""

_WINDOW_INITIAL: Final = 65_535
_WINDOW_MAX: Final = 2**31 - 1
_WINDOW_RENEWED_AT: Final = 2**29
_FRAME_HEADER_SIZE: Final = 9
_MESSAGE_HEADER_SIZE: Final = 5

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_SETTING_ENABLE_PUSH, _SETTING_INITIAL_WINDOW_SIZE = 2, 4

_FRAME_HEADER: Final = struct.Struct(">HBBBI")  # length (high 16, low 8), type, flags, stream
_U32: Final = struct.Struct(">I")
_SETTING: Final = struct.Struct(">HI")


class LinkBroken(ConnectionError):  # noqa: N818 - named for what happened, like the built-in ConnectionReset
    """The server ended the connection (GOAWAY, or the socket closed) or broke the protocol."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    size = len(payload)
    return _FRAME_HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def data_frames(stream: int, message: bytes, *, last: bool) -> bytes:
    """One gRPC message as DATA frames of a stream; `last` half-closes it, as a unary call does."""
    body = struct.pack(">BI", 0, len(message)) + message
    parts = []
    for start in range(0, len(body), FRAME_SIZE_MAX):
        ends = last and start + FRAME_SIZE_MAX >= len(body)
        parts.append(frame(_DATA, _END_STREAM if ends else 0, stream, body[start : start + FRAME_SIZE_MAX]))
    return b"".join(parts)


def headers_frame(stream: int, path: str, *, first: bool) -> bytes:
    """
    The headers that open a call of `path`.

    The `first` on a connection puts them into the server's table, every later one names them by their place there
    (RFC 7541, section 6.1), as gRPC's own clients do. A connection therefore calls one path only.
    """
    if first:

        def text(value: str) -> bytes:
            return bytes([len(value)]) + value.encode()

        block = b"\x83\x86" + b"".join(
            (
                b"\x44" + text(path),
                b"\x41" + text("localhost"),
                b"\x40" + text("te") + text("trailers"),
                b"\x5f" + text("application/grpc"),
            )
        )
    else:
        block = b"\x83\x86\xc1\xc0\xbf\xbe"
    return frame(_HEADERS, _END_HEADERS, stream, block)


def preface() -> bytes:
    """What a client says first: no pushes, and windows so wide that the server never waits for ours."""
    settings = _SETTING.pack(_SETTING_ENABLE_PUSH, 0) + _SETTING.pack(
        _SETTING_INITIAL_WINDOW_SIZE, _WINDOW_MAX
    )
    return b"".join(
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            frame(_SETTINGS, 0, 0, settings),
            frame(_WINDOW_UPDATE, 0, 0, _U32.pack(_WINDOW_MAX - _WINDOW_INITIAL)),
        )
    )


class Http2:
    """
    One connection's state, between the socket's bytes and the caller's messages.

    `window` is how many bytes of DATA the server still takes, over the connection and, where the connection carries
    one long stream, on that `stream` too (0: many short ones, none of which can fill its own window).
    """

    def __init__(self, stream: int = 0) -> None:
        self._stream = stream
        self._window_connection = _WINDOW_INITIAL
        self._window_stream = _WINDOW_INITIAL
        self._window_initial = _WINDOW_INITIAL
        self._received_size = 0
        self._rest = b""
        self._bodies: dict[int, bytes] = {}
        self._refused: set[int] = set()
        self.reply = bytearray()
        """What the protocol wants sent next (acknowledgements, renewed windows); the caller empties it."""
        self.messages: list[bytes] = []
        """Whole gRPC messages received, in order; the caller empties it."""
        self.message_streams: list[int] = []
        """The stream that each of `messages` came on; the caller empties it."""
        self.streams_ended = 0
        """How many calls have ended, answered or refused."""
        self.failed_streams: list[int] = []
        """Which of them were reset by the server or ended without a message, in order; the caller may empty it."""

    @property
    def window(self) -> int:
        """Bytes of DATA that may be sent now."""
        if self._stream:
            return min(self._window_connection, self._window_stream)
        return self._window_connection

    def sent(self, data_size: int) -> None:
        """Takes what was just sent, counted in DATA payload, off the window."""
        self._window_connection -= data_size
        self._window_stream -= data_size

    def receive(self, data: bytes) -> None:
        """Takes bytes as they came; afterwards `messages`, `reply` and the counts tell what they meant."""
        if self._rest:
            data = self._rest + data
        position, end = 0, len(data)
        unpack = _FRAME_HEADER.unpack_from
        while end - position >= _FRAME_HEADER_SIZE:
            high, low, kind, flags, stream = unpack(data, position)
            start = position + _FRAME_HEADER_SIZE
            stop = start + (high << 8 | low)
            if stop > end:
                break
            position = stop
            if kind == _DATA:
                self._take_data(stream, data[start:stop], ended=bool(flags & _END_STREAM))
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    self._end(stream)
            elif kind == _WINDOW_UPDATE:
                (size,) = _U32.unpack_from(data, start)
                if stream == 0:
                    self._window_connection += size
                elif stream == self._stream:
                    self._window_stream += size
            else:
                self._take_control(kind, flags, stream, data[start:stop])
        self._rest = data[position:]

    def _take_data(self, stream: int, payload: bytes, *, ended: bool) -> None:
        before = self._bodies.get(stream)
        body = before + payload if before else payload
        self._received_size += len(payload)
        while len(body) >= _MESSAGE_HEADER_SIZE:
            stop = _MESSAGE_HEADER_SIZE + int.from_bytes(body[1:_MESSAGE_HEADER_SIZE], "big")
            if len(body) < stop:
                break
            self.messages.append(body[_MESSAGE_HEADER_SIZE:stop])
            self.message_streams.append(stream)
            body = body[stop:]
        # An empty rest stays until the stream ends: it says that the call has had its answer.
        self._bodies[stream] = body
        if ended:
            self._end(stream)
        if self._received_size >= _WINDOW_RENEWED_AT:
            self._renew_windows()

    def _end(self, stream: int) -> None:
        if self._bodies.pop(stream, None) is None:
            self.failed_streams.append(stream)
            self._refused.add(stream)
        self.streams_ended += 1

    def _renew_windows(self) -> None:
        size = _U32.pack(self._received_size)
        self.reply += frame(_WINDOW_UPDATE, 0, 0, size)
        if self._stream:
            self.reply += frame(_WINDOW_UPDATE, 0, self._stream, size)
        self._received_size = 0

    def _take_control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _PING and not flags & _ACK:
            self.reply += frame(_PING, _ACK, 0, payload)
        elif kind == _SETTINGS and not flags & _ACK:
            for setting, value in _SETTING.iter_unpack(payload):
                if setting == _SETTING_INITIAL_WINDOW_SIZE:
                    self._window_stream += value - self._window_initial
                    self._window_initial = value
            self.reply += frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _RST_STREAM:
            # A server may reset a stream that it has already answered in full, or refused: then nothing is left to fail.
            if stream in self._bodies or (not self._stream and stream not in self._refused):
                self._bodies.pop(stream, None)
                self.failed_streams.append(stream)
                self.streams_ended += 1
        elif kind == _GOAWAY:
            raise LinkBroken(
                f"the server went away: {payload[8:].decode(errors='replace') or 'no reason given'}"
            )
