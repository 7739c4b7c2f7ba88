"""The front's two kernels by themselves, compiled and uncompiled: the same bytes in, the same records and bytes out."""

import numpy as np
import pytest
from numba import config

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import Traffic
from scoring.reason_codes import ReasonCode
from server.core.names import texts_of
from server.core.record import DECISION, DECISION_NUMBERS, MISSING_S, Operation
from server.front import writing
from server.front.decoding import LEFT, ORDINARY, REQUEST_NUMBERS, UNREADABLE, decode_frame, letter_tables

pytestmark = pytest.mark.kernel

NOW_S = 1_790_000_000


def records_of(count, dtype):
    """Zeroed records that a kernel takes: uncompiled, fields are attributes only of a recarray."""
    records = np.zeros(count, dtype)
    return records.view(np.recarray) if config.DISABLE_JIT else records


def decoded(raw, room=16):
    records = records_of(room, REQUEST_NUMBERS)
    sequences = np.zeros(room, np.uint64)
    states = np.zeros(room, np.uint8)
    pans = np.zeros((room, 19), np.uint8)
    pan_sizes = np.zeros(room, np.int64)
    count = decode_frame(
        np.frombuffer(raw, np.uint8),
        records,
        sequences,
        states,
        np.zeros((room, 2), np.int64),
        pans,
        pan_sizes,
        np.zeros((room, 52), np.uint8),
        *letter_tables(),
        np.uint64(9),
        NOW_S * 1_000_000_000,
        False,
    )
    return count, records, sequences, states, pans, pan_sizes


def test_frame_becomes_records_field_by_field():
    """What the message says stands in the record; its card number stands apart."""
    requests = [pb.AuthorizeRequest.FromString(raw) for raw in Traffic(5, 50, run=2).serialized(10, NOW_S)]
    messages = [pb.LinkMessage(sequence=k + 40, authorize=request) for k, request in enumerate(requests)]
    raw = pb.LinkRequest(messages=messages).SerializeToString()
    count, records, sequences, states, pans, pan_sizes = decoded(raw)
    assert count == len(requests)
    assert sequences[:count].tolist() == list(range(40, 40 + count))
    assert (states[:count] == ORDINARY).all()
    for record, request, pan, size in zip(records[:count], requests, pans, pan_sizes, strict=False):
        assert bytes(pan[:size]).decode() == request.pan
        assert record["amount_minor"] == request.amount_minor
        assert record["transmission_s"] == request.key.transmission_time.seconds
        assert record["stan"] == request.key.stan
        assert bytes(record["merchant_name"]).rstrip(b"\0").decode() == request.merchant.name
        assert f"{record['category']:04d}" == request.merchant.category_code
        assert record["entry_mode"] == request.entry_mode
        has_local = request.HasField("local_time")
        assert record["local_s"] == (request.local_time.seconds if has_local else MISSING_S)


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\x0a\x05\x08", b"\x12\x00", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_bytes_that_are_no_frame_are_unreadable(raw):
    """A torn number, a length beyond the end, a field of another contract."""
    assert decoded(raw)[0] == UNREADABLE


def test_message_without_body_is_left():
    """The kernel takes authorizations; everything else is the reader's."""
    raw = pb.LinkRequest(messages=[pb.LinkMessage(sequence=3, echo=pb.Echo(text="x"))]).SerializeToString()
    count, _, sequences, states, _, _ = decoded(raw)
    assert (count, sequences[0], states[0]) == (1, 3, LEFT)


def test_answer_is_the_librarys_bytes():
    """One approval with everything set."""
    decisions = records_of(1, DECISION_NUMBERS)
    as_text = np.asarray(decisions).view(DECISION)
    as_text["operation"] = Operation.AUTHORIZE
    as_text["response_code"], as_text["authorization_code"] = b"10", b"ABC123"
    as_text["authorization_id"] = (256, 77)
    as_text["approved_minor"], as_text["available_minor"] = 12_345, 5
    as_text["billing_currency"], as_text["risk_score"] = 840, 0.25
    as_text["reasons"], as_text["replayed"] = 1 << 42, 1
    as_text["limits_passed"][0, 1], as_text["rules_hit"][0, 0] = 2, 1
    as_text["score_reasons"][0, 0] = ReasonCode.AMOUNT_UNUSUAL
    currencies = np.zeros((1000, 3), np.uint8)
    currencies[840] = np.frombuffer(b"USD", np.uint8)
    out = np.zeros(4096, np.uint8)
    ends = np.zeros(1, np.int64)
    writing.encode(
        decisions,
        np.array([6], np.uint64),
        True,
        out,
        ends,
        writing.HEX,
        currencies,
        *writing.CHECK_TEXTS,
        *texts_of({2: "count_1h"}),
        *texts_of({1: "too_far"}),
        *writing.REASON_TEXTS,
    )
    answer = pb.AuthorizeResponse(
        response_code="10",
        authorization_code="ABC123",
        authorization_id=f"{77:016x}{256:016x}",
        approved_amount_minor=12_345,
        available_minor=5,
        billing_currency="USD",
        risk_score=0.25,
        reasons=["score_flagged", "too_far", "AMOUNT_UNUSUAL"],
        velocity_flags=["count_1h"],
        replayed=True,
    )
    frame = pb.LinkResponse(answers=[pb.LinkAnswer(sequence=6, authorize=answer)])
    assert bytes(out[: ends[0]]) == frame.SerializeToString()
