"""Frames that are refused unread."""

from google.rpc import code_pb2

from holdfast.v1 import authorization_pb2 as pb
from server.front.refusing import Refuser

TEXT = "too many requests wait"


def test_each_message_of_a_frame_is_refused_by_its_sequence():
    """Whatever it is, also what no contract knows; as the protobuf library would write it."""
    frame = pb.LinkRequest(
        messages=[
            pb.LinkMessage(sequence=7, authorize=pb.AuthorizeRequest(pan="9999990000000006")),
            pb.LinkMessage(sequence=2**63 + 5, reverse=pb.ReverseRequest(remaining_minor=1)),
            pb.LinkMessage(sequence=0, echo=pb.Echo()),
            pb.LinkMessage(),
        ]
    )
    raw, count = Refuser(TEXT).refuse(frame.SerializeToString())
    read = pb.LinkResponse.FromString(raw)
    assert count == 4
    assert [answer.sequence for answer in read.answers] == [7, 2**63 + 5, 0, 0]
    assert {(a.fault.status_code, a.fault.message) for a in read.answers} == {
        (code_pb2.RESOURCE_EXHAUSTED, TEXT)
    }


def test_what_is_no_frame_is_left_to_the_reader():
    """It says what is wrong."""
    frame = pb.LinkRequest(messages=[pb.LinkMessage(sequence=7)]).SerializeToString()
    for bad in (frame[:-1], b"\xff", b"\x12\x00", b"\x08\x01"):
        assert Refuser(TEXT).refuse(bad) is None
    assert Refuser(TEXT).refuse(b"") == (b"", 0)
