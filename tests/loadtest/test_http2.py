"""The lean HTTP/2 half: whole messages come out however the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.http2 import FRAME_SIZE_MAX, Http2, LinkBroken, data_frames, frame, headers_frame

PING, SETTINGS, GOAWAY, WINDOW_UPDATE, HEADERS, RST_STREAM = 6, 4, 7, 8, 1, 3


@given(
    messages=st.lists(st.binary(max_size=3 * FRAME_SIZE_MAX), max_size=4),
    cuts=st.lists(st.integers(1, 5_000), min_size=1, max_size=5),
)
def test_messages_come_out_whole_however_the_bytes_are_cut(messages, cuts):
    """Any cutting of a link's bytes gives the same messages in the same order."""
    data = b"".join(data_frames(1, message, last=False) for message in messages)
    http = Http2(stream=1)
    position = turn = 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        http.receive(data[position : position + size])
        position, turn = position + size, turn + 1
    assert http.messages == messages
    assert http.streams_ended == 0


def test_message_larger_than_a_frame_is_sent_in_several():
    """No DATA frame is larger than what every server takes."""
    data = data_frames(1, b"x" * 40_000, last=True)
    sizes, position = [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 3], "big")
        sizes.append(size)
        position += 9 + size
    assert sizes == [FRAME_SIZE_MAX, FRAME_SIZE_MAX, 40_005 - 2 * FRAME_SIZE_MAX]


def test_ping_and_settings_are_acknowledged():
    """A server that measures its bandwidth gets its ping back, and one that sets a window its acknowledgement."""
    http = Http2()
    http.receive(frame(SETTINGS, 0, 0, b"") + frame(PING, 0, 0, b"12345678"))
    assert bytes(http.reply) == frame(SETTINGS, 1, 0, b"") + frame(PING, 1, 0, b"12345678")


def test_window_is_the_smaller_of_connection_and_stream():
    """A link may send what both windows allow; a settings change moves the stream's."""
    http = Http2(stream=1)
    http.sent(65_000)
    assert http.window == 535
    http.receive(frame(WINDOW_UPDATE, 0, 0, (100_000).to_bytes(4, "big")))
    assert http.window == 535
    http.receive(frame(SETTINGS, 0, 0, (4).to_bytes(2, "big") + (65_535 + 1_000).to_bytes(4, "big")))
    assert http.window == 1_535


def test_call_without_a_message_is_counted_as_failed():
    """Headers that end a stream at once are a refusal; a message before them is an answer."""
    http = Http2()
    http.receive(frame(HEADERS, 5, 1, b""))
    http.receive(data_frames(3, b"", last=False) + frame(HEADERS, 5, 3, b""))
    http.receive(frame(RST_STREAM, 0, 5, b"\0\0\0\7"))
    assert (http.streams_ended, len(http.failed_streams), http.messages) == (3, 2, [b""])


def test_goaway_breaks_the_link_with_the_servers_reason():
    """A server that leaves says why, and the client repeats it."""
    with pytest.raises(LinkBroken, match="draining"):
        Http2().receive(frame(GOAWAY, 0, 0, b"\0" * 8 + b"draining"))


def test_later_headers_name_the_first_ones_by_place():
    """Only the first call of a connection pays for its path."""
    assert len(headers_frame(3, "/s/M", first=False)) < 20 < len(headers_frame(1, "/s/M", first=True))
