"""
Protobuf as it may come: what a link reads from a message's bytes is what a unary call reads from them.

The encoding leaves senders much freedom (order, repetition, unknown fields, numbers longer than they need be). The
unary call parses by the protobuf library; a link may not.
"""

import os

import grpc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdfast.v1 import authorization_pb2 as pb
from tests.end_to_end.callers import Refused, funded_minor, linked, purchase, reversal, same

EXAMPLES = int(os.environ.get("HOLDFAST_EXAMPLES", "200"))
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
PARTS = {1: "key", 9: "local_time", 10: "merchant"}
GUARD = 2**64 - 1


def varint(value, padding=0):
    """A base-128 number, with `padding` bytes more than it needs."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F or padding:
        if value <= 0x7F:
            padding -= 1
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encoded(number, kind, value, padding=0):
    """A field's bytes."""
    tag = varint(number << 3 | kind, padding)
    if kind == VARINT:
        return tag + varint(value, padding)
    if kind == BYTES:
        return tag + varint(len(value), padding) + value
    return tag + value


def fields_of(data):
    """The fields of a well-formed message: [number, kind, value]."""
    fields, at = [], 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        kind = tag & 7
        if kind == VARINT:
            value = number()
        else:
            size = number() if kind == BYTES else 8
            value = data[at : at + size]
            at += size
        fields.append([tag >> 3, kind, value])
    return fields


steps = st.one_of(
    st.tuples(st.sampled_from(["drop", "double", "first", "last", "split"]), st.integers(0, 30), st.none()),
    st.tuples(
        st.just("number"),
        st.integers(0, 30),
        st.sampled_from([0, 1, 2, 3, 9, 10, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, -1]),
    ),
    st.tuples(st.just("padding"), st.integers(0, 30), st.integers(1, 9)),
    st.tuples(st.just("bytes"), st.integers(0, 30), st.binary(max_size=40)),
    st.tuples(
        st.just("text"),
        st.integers(0, 30),
        st.sampled_from(
            ["", "A", "ab", "12", "US", "GB", "USD", "EUR", "0.0.0.0", "1.2.3.256", "::1", "é", "~" * 15]
        ),
    ),
    st.tuples(
        st.just("unknown"),
        st.integers(0, 30),
        st.tuples(st.integers(0, 3000), st.sampled_from([VARINT, FIXED64, BYTES, FIXED32, 3, 4, 6, 7])),
    ),
    st.tuples(st.just("kind"), st.integers(0, 30), st.sampled_from([VARINT, FIXED64, BYTES, FIXED32])),
)
plans = st.lists(st.tuples(st.sampled_from([0, 0, 1, 9, 10]), steps), min_size=1, max_size=4)


def mangled(data, plan):
    """The message with the plan's steps done to it, or to a part of it."""
    fields = fields_of(data)
    for part, step in plan:
        inside = next((f for f in fields if f[0] == part and f[1] == BYTES and part in PARTS), None)
        if inside is None:
            step_on(fields, step)
        else:
            try:
                parts = fields_of(inside[2])
            except IndexError:
                continue
            step_on(parts, step)
            inside[2] = b"".join(encoded(*f) for f in parts)
    return b"".join(encoded(*f) for f in fields)


def step_on(fields, step):
    """Do one step to a list of fields."""
    action, place, value = step
    if action == "unknown":
        number, kind = value
        payload = {VARINT: 7, BYTES: b"unknown", FIXED64: bytes(8), FIXED32: bytes(4)}.get(kind, b"")
        fields.insert(place % (len(fields) + 1), [number, kind, payload])
        return
    if not fields:
        return
    place %= len(fields)
    field = fields[place]
    if action == "drop":
        del fields[place]
    elif action == "double":
        fields.append(list(field))
    elif action == "first":
        fields.insert(0, fields.pop(place))
    elif action == "last":
        fields.append(fields.pop(place))
    elif action == "split" and field[1] == BYTES:
        half = len(field[2]) // 2
        fields[place : place + 1] = [[field[0], BYTES, field[2][:half]], [field[0], BYTES, field[2][half:]]]
    elif action == "number" and field[1] == VARINT:
        field[2] = value
    elif action == "padding":
        fields[place] = [*field[:3], value]
    elif action == "bytes" and field[1] == BYTES:
        field[2] = value
    elif action == "text" and field[1] == BYTES:
        field[2] = value.encode()
    elif action == "kind":
        field[1] = value
        field[2] = {VARINT: 7, BYTES: b"bytes", FIXED64: bytes(8), FIXED32: bytes(4)}[value]


def message_bytes(sequence, body):
    """A LinkMessage with an `authorize` body of these bytes, as it stands in a frame."""
    return encoded(1, BYTES, encoded(1, VARINT, sequence) + encoded(2, BYTES, body))


def by_link(target, frame):
    """The answers to one frame by sequence; a frame behind it says when they are all there."""
    with linked(target) as link:
        link.send_raw(frame)
        link.send(**{f"s{GUARD}": pb.Echo(text="end")})
        link.end()
        found = link.rest()
    assert found.pop(GUARD).echo.text == "end"
    return found


def unary(caller, body):
    """The answer, or the names of the bad fields."""
    try:
        return pb.AuthorizeResponse.FromString(caller.raw("Authorize", body))
    except Refused as refused:
        return set(refused.fields) if refused.code == grpc.StatusCode.INVALID_ARGUMENT else refused


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=plans)
@example(plan=[(0, ("unknown", 30, (23, VARINT)))])
@example(plan=[(1, ("double", 3, None))])
@example(plan=[(0, ("padding", 4, 9))])
def test_link_reads_any_encoding_as_a_unary_call_does(server, caller, plan):
    """Same bytes, same answer or same bad fields; and the good messages around them are not touched by it."""
    before, after = purchase(990, 1), purchase(991, 1)
    body = mangled(purchase(992, 1, partial_approval_allowed=True).SerializeToString(), plan)
    frame = b"".join(
        [
            message_bytes(1, before.SerializeToString()),
            message_bytes(2, body),
            message_bytes(3, after.SerializeToString()),
        ]
    )
    answers = by_link(server.target, frame)
    said = unary(caller, body)
    if said == {""}:
        assert {sequence: answer.WhichOneof("body") for sequence, answer in answers.items()} == {0: "fault"}
        return
    assert sorted(answers) == [1, 2, 3]
    assert [answers[k].authorize.response_code for k in (1, 3)] == ["00", "00"]
    if isinstance(said, set):
        assert set(answers[2].fault.fields) == said
    else:
        assert said.replayed
        assert same(answers[2].authorize, said)


def rich(card):
    """A purchase with every field of the contract set."""
    request = purchase(
        card,
        5_000,
        transaction_type=pb.TRANSACTION_TYPE_PURCHASE_CASHBACK,
        cashback_amount_minor=2_000,
        billing_amount_minor=4_000,
        recurring=True,
        partial_approval_allowed=True,
        incremental_expected=True,
        card_verification=pb.CHECK_RESULT_MATCH,
        pin_verification=pb.CHECK_RESULT_MATCH,
        address_verification=pb.CHECK_RESULT_MATCH,
        cardholder_authentication=pb.CHECK_RESULT_MATCH,
        device_fingerprint=b"d" * 32,
        ip_address="198.51.100.7",
    )
    request.merchant.merchant_id = "M" * 15
    request.merchant.name, request.merchant.city = "n" * 25, "c" * 25
    request.merchant.latitude_deg, request.merchant.longitude_deg = 40.0, -70.0
    return request


def bare(card):
    """A purchase with nothing but what is required."""
    request = purchase(card, 100, expiry_yymm=0, card_present=False, entry_mode=0)
    request.ClearField("local_time")
    request.key.acquirer_id = "1"
    request.key.terminal_id = ""
    request.merchant.CopyFrom(pb.Merchant(country="US", category_code="5411", name="x"))
    return request


@pytest.mark.parametrize(
    "behind",
    [encoded(9, VARINT, 1), encoded(1, VARINT, 1), b"\xff", b"\x0a\x7f", b""],
    ids=["an unknown field", "a field of another type", "half a tag", "a cut message", "nothing"],
)
def test_message_takes_nothing_over_from_the_frame_before_it(link, caller, card, behind):
    """Whatever became of a frame, the next one's messages are what their sender said, and no more."""
    for _ in range(3):
        link.send_raw(message_bytes(1, rich(card).SerializeToString()) + behind)
        request = bare(card)
        link.send(s2=request)
        found = {}
        while 2 not in found:
            found.update(link.answers(1))
        answer = found[2].authorize
        assert (answer.response_code, answer.approved_amount_minor) == ("00", 100)
        again = caller.authorize(request)
        assert again.replayed
        told = caller.explain(answer.authorization_id).request
        told.pan = request.pan
        assert told == request


def test_message_takes_nothing_over_from_those_beside_it(link, caller, card):
    """Rich and bare messages in turn, in one frame and over frames, keep their own fields."""
    for _ in range(2):
        messages = {k: rich(card) if k % 2 else bare(card) for k in range(1, 9)}
        messages[4] = purchase(card, currency="?")
        link.send_all(messages)
        found = link.answers(8)
        assert list(found[4].fault.fields) == ["currency"]
        for sequence, request in messages.items():
            if sequence == 4:
                continue
            told = caller.explain(found[sequence].authorize.authorization_id).request
            told.pan = request.pan
            assert told == request
    assert caller.available_minor(card) == funded_minor(card) - 2 * (4 * 5_000 + 3 * 100)


def outcomes(card, trusted_card):
    """Requests of every kind of outcome, and the codes they get, each reversed before the next is sent."""
    abroad = purchase(card, 100, expiry_yymm=3011)
    abroad.merchant.country = "GB"
    conflict = purchase(card, 100)
    changed = pb.AuthorizeRequest()
    changed.CopyFrom(conflict)
    changed.amount_minor = 101
    return [
        (purchase(card, funded_minor(card)), None),  # 59, unless the score finds it usual at this hour
        (purchase(card, 100), "00"),
        (purchase(card, 0, transaction_type=pb.TRANSACTION_TYPE_ACCOUNT_STATUS), "85"),
        (abroad, "54"),
        (purchase(0, pan="4111111111111111"), "14"),
        (conflict, "00"),
        (changed, "94"),
        (purchase(trusted_card, 2**62), "51"),
        (purchase(trusted_card, 2**62, partial_approval_allowed=True), "10"),
    ]


def test_answer_on_a_link_is_the_unary_answer_in_every_field(link, caller, card, trusted_card):
    """Codes, ids, amounts, scores and reasons are written the same on both ways, up to the largest sequence."""
    for number, (request, code) in enumerate(outcomes(card, trusted_card)):
        sequence = [1, 127, 128, 2**32, 2**63, 2**64 - 2][number % 6]
        link.send_all({sequence: request})
        answer = link.answers(1)[sequence].authorize
        assert answer.response_code == (code or answer.response_code)
        again = caller.authorize(request)
        assert again.replayed == (code != "94")
        assert same(answer, again)
        link.send_all({0: request})
        assert link.answers(1)[0].authorize == again
        undo = reversal(request)
        link.send_all({sequence: undo})
        released = link.answers(1)[sequence].reverse
        assert released.response_code == "00"
        assert same(released, caller.reverse(undo))
