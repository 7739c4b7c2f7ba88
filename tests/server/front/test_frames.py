"""The kernel of frames against the reader: what it accepts, both read alike; what it leaves, the reader judges."""

import random
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import Traffic
from server.core.record import REQUEST
from server.front.frames import MESSAGES_MAX, FrameDecoder
from server.front.reading import BadRequest, Reader
from server.keys import Keys

SENDER = 7
NOW_S = 1_790_000_000


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys.open(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def decoder(keys):
    return FrameDecoder(
        keys.pan_key_bytes, keys.identifier_key, lambda: NOW_S * 1_000_000_000, message_time=False
    )


@pytest.fixture(scope="module")
def reader(keys):
    return Reader(keys, lambda: NOW_S * 1_000_000_000, message_time=False)


def ordinary(**fields):
    """A message of the kind the kernel takes, with some fields set otherwise."""
    request = pb.AuthorizeRequest(
        pan="9999990000000006",
        transaction_type=1,
        amount_minor=1250,
        currency="USD",
        entry_mode=3,
        card_present=True,
        expiry_yymm=3012,
        merchant=pb.Merchant(
            merchant_id="M1", name="Corner Coffee", city="New York", country="US", category_code="5812"
        ),
        key=pb.MessageKey(acquirer_id="123456", stan=1, retrieval_reference="000000000001", terminal_id="T1"),
    )
    request.key.transmission_time.seconds = NOW_S
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def frame_of(*requests):
    messages = [pb.LinkMessage(sequence=k + 1, authorize=request) for k, request in enumerate(requests)]
    return pb.LinkRequest(messages=messages).SerializeToString()


def read(reader, request):
    """The record as the reader makes it, or None where it refuses."""
    try:
        return reader.authorize(request, SENDER)
    except BadRequest:
        return None


def assert_alike(decoder, reader, requests):
    """Every record that the kernel makes is the reader's; returns how many it made."""
    frame = decoder.decode(frame_of(*requests), SENDER)
    assert not frame.unread
    assert frame.sequences == list(range(1, len(requests) + 1))
    made = [(record, request) for record, request in zip(frame.records, requests, strict=True) if record]
    for record, request in made:
        assert record == read(reader, request)
    assert len(frame.left) == len(requests) - len(made)
    return len(made)


def test_generated_traffic_is_all_the_kernels(decoder, reader):
    """What a load generator sends is ordinary, and both ways make the same record of it."""
    serialized = Traffic(3, 1000, run=1).serialized(200, NOW_S)
    requests = [pb.AuthorizeRequest.FromString(raw) for raw in serialized]
    assert assert_alike(decoder, reader, requests[:100]) == 100
    assert assert_alike(decoder, reader, requests[100:]) == 100


@pytest.mark.parametrize(
    "fields",
    [
        {"card_token": "card_0123456789abcdef0123456789abcdef"},
        {"ip_address": "203.0.113.7"},
        {"device_fingerprint": b"\x00\x01\xff" + bytes(29)},
        {"amount_minor": 2**63 - 1},
        {"amount_minor": 0},
        {"billing_amount_minor": 5, "cashback_amount_minor": 3, "currency": "EUR"},
        {"recurring": True, "partial_approval_allowed": True, "incremental_expected": True},
        {
            "card_verification": 1,
            "pin_verification": 2,
            "address_verification": 3,
            "cardholder_authentication": 1,
        },
        {"expiry_yymm": 0, "entry_mode": 0, "card_present": False},
    ],
)
def test_ordinary_message_is_the_kernels_whatever_it_says(decoder, reader, fields):
    """Tokens, devices, IPv4 addresses, flags and amounts to their bounds need no second reading."""
    assert assert_alike(decoder, reader, [ordinary(**fields)]) == 1


def changed(change):
    request = ordinary()
    change(request)
    return request


@pytest.mark.parametrize(
    "change",
    [
        lambda r: setattr(r, "pan", "9999990000000007"),
        lambda r: setattr(r, "pan", "99999900"),
        lambda r: setattr(r, "pan", "99999900000000x6"),
        lambda r: r.ClearField("pan"),
        lambda r: setattr(r, "card_token", "card_0123456789ABCDEF0123456789abcdef"),
        lambda r: setattr(r, "card_token", "card_"),
        lambda r: setattr(r, "transaction_type", 0),
        lambda r: setattr(r, "transaction_type", 10),
        lambda r: setattr(r, "amount_minor", -1),
        lambda r: setattr(r, "billing_amount_minor", -(2**63)),
        lambda r: setattr(r, "currency", "usd"),
        lambda r: setattr(r, "currency", "XXZ"),
        lambda r: setattr(r.merchant, "country", "XX"),
        lambda r: setattr(r.merchant, "country", "U"),
        lambda r: setattr(r.merchant, "category_code", "58a2"),
        lambda r: setattr(r.merchant, "category_code", "581"),
        lambda r: setattr(r.merchant, "merchant_id", "x" * 16),
        lambda r: setattr(r.merchant, "name", "x" * 26),
        lambda r: setattr(r.merchant, "city", "a\tb"),
        lambda r: setattr(r.merchant, "latitude_deg", 90.5),
        lambda r: setattr(r.merchant, "longitude_deg", float("nan")),
        lambda r: setattr(r.merchant, "latitude_deg", float("inf")),
        lambda r: setattr(r.key, "acquirer_id", ""),
        lambda r: setattr(r.key, "acquirer_id", "1" * 12),
        lambda r: setattr(r.key, "stan", 1_000_000),
        lambda r: setattr(r.key, "retrieval_reference", "short"),
        lambda r: setattr(r.key, "terminal_id", "123456789"),
        lambda r: setattr(r.key.transmission_time, "seconds", NOW_S - 3601),
        lambda r: setattr(r.key.transmission_time, "seconds", NOW_S + 301),
        lambda r: setattr(r.key.transmission_time, "nanos", -1),
        lambda r: r.key.ClearField("transmission_time"),
        lambda r: setattr(r.local_time, "nanos", 1_000_000_000),
        lambda r: setattr(r, "entry_mode", 7),
        lambda r: setattr(r, "pin_verification", -1),
        lambda r: setattr(r, "expiry_yymm", 3013),
        lambda r: setattr(r, "expiry_yymm", 10001),
        lambda r: setattr(r, "device_fingerprint", bytes(33)),
        lambda r: setattr(r, "ip_address", "256.1.1.1"),
        lambda r: setattr(r, "ip_address", "1.2.3"),
        lambda r: setattr(r, "ip_address", "01.2.3.4"),
    ],
)
def test_bad_message_is_never_the_kernels(decoder, reader, change):
    """Whatever the reader refuses, the kernel leaves to it."""
    request = changed(change)
    assert read(reader, request) is None
    assert decoder.decode(frame_of(request), SENDER).records == [None]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: setattr(r.merchant, "name", "Café Zoë"),
        lambda r: setattr(r, "ip_address", "2001:db8::1"),
        lambda r: r.MergeFromString(b"\xf8\x07\x01"),
        lambda r: setattr(r.merchant, "city", "Zürich"),
    ],
)
def test_good_but_rare_message_is_left_to_the_reader(decoder, reader, change):
    """Accents, IPv6 and fields of a later contract are good; the kernel does not know them."""
    request = changed(change)
    assert read(reader, request) is not None
    assert decoder.decode(frame_of(request), SENDER).records == [None]


def test_mixed_frame_keeps_its_order(decoder):
    """What is left stands between what is decoded, under its own sequence."""
    requests = [ordinary(), ordinary(amount_minor=-1), ordinary(amount_minor=7)]
    frame = decoder.decode(frame_of(*requests), SENDER)
    assert [record is not None for record in frame.records] == [True, False, True]
    assert pb.LinkMessage.FromString(frame.left[0]).sequence == 2
    assert np.frombuffer(frame.records[2], REQUEST)["amount_minor"] == 7


def test_repeated_field_is_left_to_the_reader(decoder):
    """The last one of a repeated field counts, and submessages merge: the library knows, the kernel need not."""
    twice = ordinary().SerializeToString() + ordinary(amount_minor=9).SerializeToString()
    message = pb.LinkMessage(sequence=1, authorize=pb.AuthorizeRequest.FromString(twice))
    raw = message.SerializeToString()
    body = b"\x08\x01\x12" + _varint(len(twice)) + twice
    assert raw != body
    frame = decoder.decode(b"\x0a" + _varint(len(body)) + body, SENDER)
    assert frame.records == [None]
    assert pb.LinkMessage.FromString(frame.left[0]).authorize.amount_minor == 9


def test_too_many_messages_are_not_read(decoder):
    """A frame beyond MESSAGES_MAX is nobody's work."""
    assert decoder.decode(frame_of(*[ordinary()] * (MESSAGES_MAX + 1)), SENDER).unread


def test_work_arrays_carry_nothing_over(decoder, reader):
    """A frame decoded after another one makes the records it would have made alone."""
    decoder.decode(frame_of(*[ordinary(device_fingerprint=b"x" * 32, ip_address="1.2.3.4")] * 5), SENDER)
    assert assert_alike(decoder, reader, [ordinary(), ordinary(amount_minor=2)]) == 2


def test_mutated_bytes_are_read_alike(decoder, reader):
    """Flip, cut and repeat bytes: the kernel takes a message only where the reader makes the same of it."""
    chance = random.Random(11)
    good = ordinary(ip_address="10.0.0.1", device_fingerprint=b"abc").SerializeToString()
    for _ in range(4000):
        raw = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(raw))
            how = chance.randrange(3)
            if how == 0:
                raw[at] = chance.randrange(256)
            elif how == 1:
                del raw[at : at + chance.randint(1, 4)]
            else:
                raw[at:at] = raw[at : at + chance.randint(1, 8)]
        message = b"\x08\x05\x12" + _varint(len(raw)) + raw
        frame = decoder.decode(b"\x0a" + _varint(len(message)) + message, SENDER)
        assert not frame.unread
        if frame.records[0] is not None:
            assert frame.records[0] == read(reader, pb.AuthorizeRequest.FromString(bytes(raw)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300))
def test_arbitrary_bytes_are_no_records(decoder, raw):
    """Garbage is left, or unread; it never becomes a request."""
    frame = decoder.decode(raw, SENDER)
    assert frame.unread or all(record is None for record in frame.records)


def test_message_time_lifts_the_clock(keys):
    """A replay's decoder takes times that lie years away; the service's does not."""
    replaying = FrameDecoder(keys.pan_key_bytes, keys.identifier_key, time.time_ns, message_time=True)
    old = ordinary()
    old.key.transmission_time.seconds = 1_500_000_000
    assert replaying.decode(frame_of(old), SENDER).records[0] is not None


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
