"""The format of what crosses between a front and the core."""

import numpy as np
import pytest

from server.core.record import DECISION, REQUEST
from server.dock.frames import (
    VERSION,
    FrameError,
    Kind,
    Splitter,
    head,
    pack_answers,
    pack_call,
    pack_disowned,
    pack_hello,
    pack_names,
    pack_parcel,
    read_answers,
    read_call,
    read_disowned,
    read_hello,
    read_names,
    read_parcel,
)


def test_frames_come_out_whole_however_they_are_cut():
    """Byte by byte, all at once, and at every place between."""
    bodies = [b"", b"x", bytes(range(200))]
    whole = b"".join(head(Kind.CALL, len(body)) + body for body in bodies)
    for size in range(1, len(whole) + 1):
        splitter = Splitter()
        found = [frame for at in range(0, len(whole), size) for frame in splitter.feed(whole[at : at + size])]
        assert found == [(Kind.CALL, body) for body in bodies]


def test_a_frame_of_another_format_is_refused_by_name():
    """The reader says which it has met, and which it speaks."""
    strange = bytearray(head(Kind.HELLO, 0))
    strange[-1] = VERSION + 1
    with pytest.raises(FrameError, match=f"format {VERSION + 1}.*speaks format {VERSION}"):
        list(Splitter().feed(bytes(strange)))


def test_a_frame_that_is_too_large_is_refused():
    """Before any of it is kept."""
    with pytest.raises(FrameError, match="at most"):
        list(Splitter().feed(b"\xff\xff\xff\xff\x01" + bytes([VERSION])))


def test_a_side_that_speaks_of_other_records_is_refused_by_name():
    """A front of an older version can't be believed."""
    assert read_hello(pack_hello(7)) == 7
    other = bytearray(pack_hello(7))
    other[0] ^= 0x40
    with pytest.raises(FrameError, match="records of format"):
        read_hello(bytes(other))


def test_parcels_and_answers_come_out_as_they_went_in():
    """Records as they lie."""
    requests, decisions = np.zeros(3, REQUEST), np.zeros(2, DECISION)
    requests["stan"], decisions["sequence"] = [1, 2, 3], [8, 9]
    body = pack_parcel(5, 3, 6) + requests.tobytes()
    assert read_parcel(body) == (5, 3, 6, requests.tobytes())
    answers = read_answers(pack_answers(5, [2, 0], decisions))
    assert answers.number == 5
    assert answers.places.tolist() == [2, 0]
    assert answers.decisions.tobytes() == decisions.tobytes()
    disowned = read_disowned(pack_disowned(4, requests.tobytes(), b"91N091"))
    assert disowned.codes.tolist() == [b"91", b"N0", b"91"]
    assert disowned.requests.tobytes() == requests.tobytes()


@pytest.mark.parametrize("read", [read_parcel, read_answers, read_disowned, read_hello, read_call])
def test_a_body_that_is_cut_short_is_refused(read):
    """Whatever it was to be."""
    with pytest.raises(FrameError):
        read(b"\x01\x00\x00")


def test_names_and_calls_come_out_as_they_went_in():
    """Numbers stay numbers, bytes stay bytes."""
    assert read_names(pack_names({3: "day"}, {7: "rule é"})) == ({3: "day"}, {7: "rule é"})
    assert read_call(pack_call(9, "/a/B", "spiffe://é", b"raw")) == (9, "/a/B", "spiffe://é", b"raw")
