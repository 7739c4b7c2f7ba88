"""Card numbers where none belongs."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.record import REQUEST
from server.front.masking import DIGITS_MIN, masked
from server.front.reading import BadRequest
from tests.server.front.test_frames import SENDER, decoder, frame_of, keys, ordinary, reader

__all__ = ["decoder", "keys", "reader"]

kernel = pytest.mark.kernel
ROW = re.compile(rf"[0-9](?:[ -]?[0-9]){{{DIGITS_MIN - 1}}}")


@kernel
@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789 -=^B\u00e9"), max_size=40))
def test_a_text_loses_its_digits_when_so_many_stand_in_a_row(text):
    """As a regular expression says; nothing else of it changes."""
    expected = re.sub("[0-9]", "*", text) if ROW.search(text) else text
    assert masked(text) == expected.encode()


@pytest.mark.parametrize(
    "text", ["4929 1234 1234 1239", "4929123412341239=30121010", "Shop 4929-123412341239"]
)
def test_a_card_number_in_a_merchants_text_is_masked_by_kernel_and_reader(decoder, reader, text):
    """Name and city of the record; a telephone number stays."""
    request = ordinary()
    request.merchant.name, request.merchant.city = text, "1 800 555-0199"
    (decoded,) = decoder.decode(frame_of(request), SENDER).records
    assert decoded == reader.authorize(request, SENDER)
    record = np.frombuffer(decoded, REQUEST)[0]
    assert record["merchant_name"].decode() == re.sub("[0-9]", "*", text)
    assert record["merchant_city"] == b"1 800 555-0199"


@pytest.mark.parametrize("field", ["merchant.merchant_id", "device_fingerprint"])
def test_a_message_is_refused_when_an_identifier_holds_its_card_number(decoder, reader, field):
    """The kernel leaves it, the reader names the field; another's digits are an identifier's own."""
    request = ordinary(pan="378282246310005")
    request.merchant.merchant_id, request.device_fingerprint = "378282246310006", b"id=378282246310006;"
    assert decoder.decode(frame_of(request), SENDER).records != [None]
    if field == "device_fingerprint":
        request.device_fingerprint = b"id=378282246310005;"
    else:
        request.merchant.merchant_id = request.pan
    frame = decoder.decode(frame_of(request), SENDER)
    assert frame.records == [None] and len(frame.left) == 1
    with pytest.raises(BadRequest) as refused:
        reader.authorize(request, SENDER)
    assert [violation.field for violation in refused.value.violations] == [field]
    assert request.pan not in str(refused.value)
