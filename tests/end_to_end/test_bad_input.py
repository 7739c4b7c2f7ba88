"""Bad input: any bytes get a good answer or INVALID_ARGUMENT that names every bad field; a link lives on."""

import functools
import math
import socket
import time

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.v1 import authorization_pb2 as pb
from server.store.portfolio import demo_pan
from tests.end_to_end.callers import Refused, fresh_key, funded_minor, linked, purchase, reversal

GOOD_ENDINGS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
}
INVALID = 3
UNIMPLEMENTED = 12
METHODS = ["Authorize", "Reverse", "Explain"]
FAST = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@functools.cache
def valid(kind):
    """A good message of a method, as bytes, for a card that is not issued; the same in the whole run."""
    if kind == "Authorize":
        return purchase(0, pan="4111111111111111").SerializeToString()
    if kind == "Reverse":
        return reversal(purchase(0)).SerializeToString()
    return pb.ExplainRequest(authorization_id="0" * 32).SerializeToString()


@st.composite
def damaged(draw, kind):
    """A good message with some of its bytes changed, cut or repeated."""
    data = bytearray(valid(kind))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(data) - 1))
        data[place] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return bytes(data[:cut] if draw(st.booleans()) else data + data[:cut])


def endings(caller, method, data):
    """How a call ended: None with an answer, else its status."""
    try:
        caller.raw(method, data)
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize("method", METHODS)
@FAST
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_get_an_answer_or_a_named_refusal(caller, method, data):
    """No bytes make a unary call end in UNKNOWN or INTERNAL."""
    assert endings(caller, method, data) in GOOD_ENDINGS | {None}


@pytest.mark.parametrize("method", METHODS)
@FAST
@given(data=st.data())
def test_damaged_messages_get_an_answer_or_a_named_refusal(caller, method, data):
    """A good message with a few bytes changed never ends in UNKNOWN or INTERNAL."""
    assert endings(caller, method, data.draw(damaged(method))) in GOOD_ENDINGS | {None}


text = st.text(max_size=40)
whole = st.integers(-(2**63), 2**63 - 1)
stamps = st.builds(
    lambda seconds, nanos: {"seconds": seconds, "nanos": nanos}, whole, st.integers(-(2**31), 2**31 - 1)
)
anything = st.fixed_dictionaries(
    {},
    optional={
        "pan": text,
        "transaction_type": st.integers(-(2**31), 2**31 - 1),
        "amount_minor": whole,
        "currency": text,
        "billing_amount_minor": whole,
        "cashback_amount_minor": whole,
        "entry_mode": st.integers(-(2**31), 2**31 - 1),
        "expiry_yymm": st.integers(0, 2**32 - 1),
        "card_verification": st.integers(-(2**31), 2**31 - 1),
        "cardholder_authentication": st.integers(-(2**31), 2**31 - 1),
        "device_fingerprint": st.binary(max_size=40),
        "ip_address": text,
        "local_time": stamps,
    },
)
merchants = st.fixed_dictionaries(
    {},
    optional={
        "merchant_id": text,
        "name": text,
        "city": text,
        "country": text,
        "category_code": text,
        "latitude_deg": st.floats(),
        "longitude_deg": st.floats(),
    },
)


@FAST
@given(changes=anything, merchant=merchants, on_top=st.booleans())
def test_any_values_in_the_fields_get_an_answer_or_a_named_refusal(caller, changes, merchant, on_top):
    """Whatever stands in the fields, the call is answered or every refusal names fields."""
    request = purchase(0, pan="4111111111111111") if on_top else pb.AuthorizeRequest(key=fresh_key())
    for name, value in merchant.items():
        setattr(request.merchant, name, value)
    request.MergeFrom(pb.AuthorizeRequest(**changes))
    ending = None
    try:
        caller.raw("Authorize", request.SerializeToString())
    except Refused as refused:
        ending = refused
    assert ending is None or (ending.code == grpc.StatusCode.INVALID_ARGUMENT and ending.fields), ending


@FAST
@given(
    amount=st.integers(0, 2**63 - 1),
    billing=st.integers(0, 2**63 - 1),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    kind=st.integers(1, 9),
    partial=st.booleans(),
    local_s=st.integers(-62_135_596_800, 253_402_300_799),
    place=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
)
def test_extreme_values_within_the_contract_are_answered(
    caller, server, amount, billing, currency, kind, partial, local_s, place
):
    """Amounts to the last int64, times to the year 9999 and every place on earth get an answer, never 96."""
    request = purchase(
        999,
        amount,
        billing_amount_minor=billing,
        currency=currency,
        transaction_type=kind,
        partial_approval_allowed=partial,
    )
    request.local_time.seconds = local_s
    request.merchant.latitude_deg, request.merchant.longitude_deg = place
    assert caller.authorize(request).response_code not in {"96", "91"}
    assert server.process.poll() is None


@FAST
@given(frame=st.binary(max_size=300))
def test_arbitrary_frames_leave_the_link_alive(server, frame):
    """Whatever a frame holds, a good message behind it is answered."""
    with linked(server.target) as link:
        link.send_raw(frame)
        link.send(s18446744073709551615=pb.Echo(text="still here"))
        found = {}
        while 2**64 - 1 not in found:
            found.update(link.answers(1))
        assert found[2**64 - 1].echo.text == "still here"


def wrong_luhn():
    """A demo card's number with another check digit."""
    pan = demo_pan(7)
    return pan[:-1] + str((int(pan[-1]) + 1) % 10)


class Ago(int):
    """So many seconds before the test runs."""


def bad(field, **changes):
    """A case: the field to be named, and what to set; dots reach into the parts of the request."""
    return pytest.param(field, changes, id=f"{field}-{next(iter(changes.values()))!r:.24}")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        bad("pan", pan=wrong_luhn()),
        bad("pan", pan="99999900000000000000"),
        bad("pan", pan="99999900006"),
        bad("pan", pan="9999990000O00006"),
        bad("pan", pan="٩٩٩٩٩٩٠٠٠٠٠٠٠٠٠٦"),
        bad("pan", pan=""),
        bad("card_token", card_token="card_"),
        bad("card_token", card_token="token_0123456789abcdef0123456789abcdef"),
        bad("card_token", card_token=f"card_{'g' * 32}"),
        bad("currency", currency="usd"),
        bad("currency", currency="XXY"),
        bad("currency", currency=""),
        bad("merchant.country", merchant__country="USA"),
        bad("merchant.country", merchant__country=""),
        bad("merchant.country", merchant__country="ZZ"),
        bad("merchant.category_code", merchant__category_code="541"),
        bad("merchant.category_code", merchant__category_code="54111"),
        bad("merchant.category_code", merchant__category_code="54a1"),
        bad("merchant.category_code", merchant__category_code="٥٤١١"),
        bad("merchant.merchant_id", merchant__merchant_id="M" * 16),
        bad("merchant.merchant_id", merchant__merchant_id="M\n"),
        bad("merchant.name", merchant__name="n" * 26),
        bad("merchant.name", merchant__name="a\0b"),
        bad("merchant.city", merchant__city="c" * 26),
        bad("merchant.latitude_deg", merchant__latitude_deg=90.001),
        bad("merchant.latitude_deg", merchant__latitude_deg=-90.001),
        bad("merchant.latitude_deg", merchant__latitude_deg=math.nan),
        bad("merchant.latitude_deg", merchant__latitude_deg=math.inf),
        bad("merchant.longitude_deg", merchant__longitude_deg=180.001),
        bad("merchant.longitude_deg", merchant__longitude_deg=-math.inf),
        bad("merchant.longitude_deg", merchant__longitude_deg=math.nan),
        bad("amount_minor", amount_minor=-1),
        bad("amount_minor", amount_minor=-(2**63)),
        bad("billing_amount_minor", billing_amount_minor=-1),
        bad("cashback_amount_minor", cashback_amount_minor=-1),
        bad("transaction_type", transaction_type=0),
        bad("transaction_type", transaction_type=10),
        bad("transaction_type", transaction_type=-1),
        bad("entry_mode", entry_mode=7),
        bad("entry_mode", entry_mode=-1),
        bad("card_verification", card_verification=4),
        bad("pin_verification", pin_verification=-1),
        bad("address_verification", address_verification=2**31 - 1),
        bad("cardholder_authentication", cardholder_authentication=-(2**31)),
        bad("expiry_yymm", expiry_yymm=3013),
        bad("expiry_yymm", expiry_yymm=3000),
        bad("expiry_yymm", expiry_yymm=10_001),
        bad("expiry_yymm", expiry_yymm=2**32 - 1),
        bad("device_fingerprint", device_fingerprint=b"d" * 33),
        bad("ip_address", ip_address="300.1.1.1"),
        bad("ip_address", ip_address="localhost"),
        bad("key.acquirer_id", key__acquirer_id=""),
        bad("key.acquirer_id", key__acquirer_id="123456789012"),
        bad("key.acquirer_id", key__acquirer_id="12a"),
        bad("key.stan", key__stan=1_000_000),
        bad("key.stan", key__stan=2**32 - 1),
        bad("key.retrieval_reference", key__retrieval_reference="1" * 11),
        bad("key.retrieval_reference", key__retrieval_reference="1" * 13),
        bad("key.retrieval_reference", key__retrieval_reference="é" * 12),
        bad("key.terminal_id", key__terminal_id="T" * 9),
        bad("key.transmission_time", key__transmission_time__seconds=0),
        bad("key.transmission_time", key__transmission_time__seconds=-1),
        bad("key.transmission_time", key__transmission_time__seconds=2**63 - 1),
        bad("key.transmission_time", key__transmission_time__nanos=10**9),
        bad("key.transmission_time", key__transmission_time__nanos=-1),
        bad("key.transmission_time", key__transmission_time__seconds=Ago(2 * 3600)),
        bad("key.transmission_time", key__transmission_time__seconds=Ago(-3600)),
        bad("local_time", local_time__seconds=253_402_300_800),
        bad("local_time", local_time__seconds=-(2**63)),
        bad("local_time", local_time__nanos=2**31 - 1),
    ],
)
def test_one_bad_field_is_named_and_no_other(caller, card, field, changes):
    """Each field beyond its bounds is INVALID_ARGUMENT with exactly that field, and what is allowed."""
    with pytest.raises(Refused) as refused:
        caller.authorize(with_changes(purchase(card), changes))
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert set(refused.value.fields) == {field}
    assert refused.value.fields[field]


def with_changes(request, changes):
    """The request with fields set by their paths, `merchant__country` for merchant.country."""
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = request
        for parent in parents:
            place = getattr(place, parent)
        setattr(place, name, int(time.time()) - value if isinstance(value, Ago) else value)
    return request


def test_absent_parts_are_named(caller):
    """An empty request names everything that must be there."""
    with pytest.raises(Refused) as refused:
        caller.raw("Authorize", b"")
    assert {
        "key.acquirer_id",
        "key.transmission_time",
        "card",
        "transaction_type",
        "currency",
        "merchant.country",
        "merchant.category_code",
    } == set(refused.value.fields)


def test_several_bad_fields_are_all_named(caller, card):
    """A sender learns everything that is wrong at once."""
    changes = {
        "pan": wrong_luhn(),
        "amount_minor": -5,
        "currency": "???",
        "merchant__country": "??",
        "merchant__category_code": "x",
        "merchant__latitude_deg": math.nan,
        "expiry_yymm": 99,
        "ip_address": "x",
        "key__stan": 10**6,
        "key__terminal_id": "T" * 9,
        "entry_mode": 99,
        "device_fingerprint": b"d" * 33,
    }
    with pytest.raises(Refused) as refused:
        caller.authorize(with_changes(purchase(card), changes))
    assert set(refused.value.fields) == {name.replace("__", ".") for name in changes}


def test_refusal_never_repeats_the_card_number(caller, card):
    """A message that is refused for another field doesn't carry the PAN into the status."""
    request = purchase(card, currency="?", pan=wrong_luhn())
    with pytest.raises(Refused) as refused:
        caller.authorize(request)
    assert request.pan not in f"{refused.value.details} {refused.value.fields}"


def test_reversal_without_an_original_is_named(caller):
    """A reversal must say of what."""
    with pytest.raises(Refused) as refused:
        caller.reverse(reversal())
    assert set(refused.value.fields) == {"original"}


@pytest.mark.parametrize(
    "identifier", ["f" * 31, "F" * 32, "0x" + "1" * 30, "f" * 32, "-" + "1" * 31, "0" * 32]
)
def test_reversal_by_an_id_that_is_none_is_named(caller, identifier):
    """An authorization id is 32 hexadecimal digits as an answer gave them."""
    with pytest.raises(Refused) as refused:
        caller.reverse(reversal(authorization_id=identifier))
    assert set(refused.value.fields) == {"authorization_id"}


def test_bad_fields_of_an_original_are_named_by_their_path(caller, card):
    """What is wrong with the original's key is told apart from the reversal's own."""
    original = purchase(card)
    original.key.acquirer_id = "x"
    original.key.stan = 10**6
    with pytest.raises(Refused) as refused:
        caller.reverse(reversal(original))
    assert set(refused.value.fields) == {"original.acquirer_id", "original.stan"}


def test_bad_message_on_a_link_gets_a_fault_and_the_rest_of_its_frame_answers(link, card):
    """Faults name the fields, good messages of the same frame are decided, and the link goes on."""
    broken = purchase(card, currency="?", amount_minor=-1)
    link.send(
        s1=purchase(card), s2=broken, s3=purchase(card, 500), s4=reversal(), s5=pb.Echo(text="e"), s6=None
    )
    found = link.answers(6)
    assert [found[k].authorize.response_code for k in (1, 3)] == ["00", "00"]
    assert found[2].fault.status_code == INVALID
    assert set(found[2].fault.fields) == {"currency", "amount_minor"}
    assert found[2].fault.message
    assert list(found[4].fault.fields) == ["original"]
    assert found[5].echo.text == "e"
    assert (found[6].fault.status_code, list(found[6].fault.fields)) == (INVALID, ["body"])
    link.send(s7=purchase(card, 700))
    assert link.answers(1)[7].authorize.available_minor == funded_minor(card) - 1_000 - 500 - 700


def test_frame_that_is_no_protobuf_gets_a_fault_and_the_link_lives_on(link, card):
    """A frame that can't be read is told under sequence 0."""
    link.send_raw(b"\xff\xff\xff\xff")
    found = link.answers(1)
    assert found[0].fault.status_code == INVALID
    link.send(s1=purchase(card))
    assert link.answers(1)[1].authorize.response_code == "00"


def test_frame_of_too_many_messages_is_refused_whole(link, caller, card):
    """More than 256 messages in a frame are faults, each under its sequence, and nothing of it is decided."""
    link.send_all({k: purchase(card, 1) for k in range(1, 258)})
    found = link.answers(257)
    assert {answer.fault.status_code for answer in found.values()} == {INVALID}
    assert {tuple(answer.fault.fields) for answer in found.values()} == {("messages",)}
    assert caller.available_minor(card) == funded_minor(card)


def test_full_frame_is_answered_whole(link, card):
    """256 messages in one frame are 256 answers."""
    link.send_all({k: purchase(card, 1) for k in range(1, 257)})
    found = link.answers(256)
    assert {answer.authorize.response_code for answer in found.values()} == {"00"}
    assert min(answer.authorize.available_minor for answer in found.values()) == funded_minor(card) - 256


def test_frame_of_no_messages_is_nothing(link):
    """An empty frame asks for nothing and breaks nothing."""
    link.send_raw(b"")
    link.send(s1=pb.Echo(text="after"))
    assert link.answers(1)[1].echo.text == "after"


def test_ending_a_link_lets_everything_on_it_be_answered(link, card):
    """A sender that half-closes right after its frames still gets every answer, and then the end."""
    for start in range(1, 1_001, 100):
        link.send_all({k: purchase(card, 1) for k in range(start, start + 100)})
    link.end()
    assert sorted(link.rest()) == list(range(1, 1_001))


def test_links_that_are_dropped_in_the_middle_harm_nobody(server, caller, card):
    """What was under way is decided or not, and the server goes on: repeats say what became of it."""
    requests = {k: purchase(card, 1) for k in range(1, 201)}
    for _ in range(5):
        with linked(server.target) as link:
            link.send_all(requests)
            link.next_answers()
    answers = [caller.authorize(request) for request in requests.values()]
    assert {answer.response_code for answer in answers} == {"00"}
    assert caller.available_minor(card) == funded_minor(card) - 200


def test_calls_that_are_given_up_are_decided_once(caller, card):
    """A caller that can't wait gets its first answer when it asks again."""
    requests = [purchase(card, 1) for _ in range(40)]
    for request in requests:
        call = caller.later(request)
        call.cancel()
    answers = [caller.authorize(request) for request in requests]
    assert {answer.response_code for answer in answers} == {"00"}
    assert caller.available_minor(card) == funded_minor(card) - 40


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 4096, b"\x16\x03\x01\x02\x00"]
)
def test_noise_on_the_port_harms_nobody(server, caller, card, noise):
    """A connection that does not speak HTTP/2 is closed or left; others are answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stranger:
        stranger.sendall(noise)
        assert caller.authorize(purchase(card)).response_code == "00"
