"""Explain: every check with its inputs, the score's reasons, the ledger's transfers; and never a card number."""

import math
import secrets
import time

import grpc
import pytest

from holdfast.v1 import authorization_pb2 as pb
from server.core.policy import CHECKS
from server.store.portfolio import demo_pan
from tests.end_to_end.callers import Refused, funded_minor, purchase, reversal


def test_approval_is_explained_by_every_check_the_score_and_the_hold(caller, card):
    """All checks in order of precedence with what they read, a model with its reasons, one pending transfer."""
    request = purchase(card, 4_200)
    answer = caller.authorize(request)
    told = caller.explain(answer.authorization_id)
    assert told.response == answer
    names = [rule.name for rule in CHECKS.values() if not rule.name.startswith("authorization_")]
    assert [check.name for check in told.checks] == names
    assert all(check.passed for check in told.checks if check.response_code)
    unread = [check.name for check in told.checks if not check.inputs]
    assert unread == ["reversed_before_arrival"]
    by_name = {check.name: check for check in told.checks}
    assert by_name["amount_senseless"].inputs["amount_minor"] == "4200"
    assert by_name["expiry_mismatch"].inputs["card_expiry_yymm"] == "3012"
    assert by_name["funds"].inputs["asked_minor"] == "4200"
    assert by_name["limit_amount"].inputs["billed_minor"] == "4200"
    assert told.model_version
    assert told.score_reasons
    assert all(reason.feature and reason.text.endswith(".") for reason in told.score_reasons)
    *parts, base = told.score_reasons
    contributions = [abs(reason.contribution) for reason in parts]
    assert contributions == sorted(contributions, reverse=True)
    assert base.feature == "base"
    log_odds = math.log(answer.risk_score / (1 - answer.risk_score))
    assert abs(math.fsum(reason.contribution for reason in told.score_reasons) - log_odds) < 1e-3
    (hold,) = told.transfers
    assert (hold.state, hold.amount_minor) == ("pending", 4_200)
    assert hold.debit_account.startswith("cardholder ")
    assert hold.credit_account.startswith("settlement ")
    assert abs(told.decision_time.seconds - time.time()) < 60


def test_explained_request_is_the_one_that_came_with_its_card_masked(caller, card):
    """Everything the sender said comes back, but of the card only what a receipt may show."""
    request = purchase(
        card,
        entry_mode=pb.ENTRY_MODE_ECOMMERCE,
        card_present=False,
        recurring=True,
        device_fingerprint=b"\x00\xffdevice",
        ip_address="2001:db8::7",
        cardholder_authentication=pb.CHECK_RESULT_MATCH,
        address_verification=pb.CHECK_RESULT_UNAVAILABLE,
    )
    request.merchant.latitude_deg, request.merchant.longitude_deg = 40.7, -74.0
    told = caller.explain(caller.authorize(request).authorization_id).request
    assert told.pan != request.pan
    assert told.pan.endswith(request.pan[-4:])
    assert "*" in told.pan
    assert request.pan[6:12] not in told.pan
    told.pan = request.pan
    assert told == request


def test_decline_is_explained_by_what_failed_and_has_no_transfer(caller, card):
    """The failed checks are marked with the codes they would have answered."""
    request = purchase(card, expiry_yymm=3011)
    request.merchant.country = "GB"
    told = caller.explain(caller.authorize(request).authorization_id)
    failed = {
        check.name: check.response_code for check in told.checks if not check.passed and check.response_code
    }
    assert failed == {"expiry_mismatch": "54", "channel_international": "62"}
    assert told.response.response_code == "54"
    assert not told.transfers


def test_unknown_card_is_explained_with_every_digit_hidden(caller):
    """A card that is not ours is explained too; its number is nobody's business."""
    request = purchase(0, pan="4111111111111111")
    told = caller.explain(caller.authorize(request).authorization_id)
    assert not {check.name: check for check in told.checks}["card_unknown"].passed
    assert "1111111" not in str(told)


def test_refusal_for_funds_is_explained_by_the_ledgers_word(caller, trusted_card):
    """A 51 names what was asked and the status that the ledger gave."""
    answer = caller.authorize(purchase(trusted_card, 99_999_999))
    told = caller.explain(answer.authorization_id)
    funds = next(check for check in told.checks if check.name == "funds")
    assert not funds.passed
    assert funds.inputs["asked_minor"] == "99999999"
    assert int(funds.inputs["ledger_status"]) != 0
    assert funds.inputs["available_minor"] == str(funded_minor(trusted_card))


def test_reversed_authorization_is_explained_with_both_transfers(caller, card):
    """The chain shows the hold and its release, both voided."""
    request = purchase(card)
    answer = caller.authorize(request)
    caller.reverse(reversal(request))
    told = caller.explain(answer.authorization_id)
    assert [transfer.state for transfer in told.transfers] == ["voided", "voided"]
    assert len({transfer.transfer_id for transfer in told.transfers}) == 2


def test_unknown_id_is_not_found(caller):
    """An id that no answer had."""
    with pytest.raises(Refused) as refused:
        caller.explain("0" * 30 + "ff")
    assert refused.value.code == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "1" * 31,
        "1" * 33,
        "g" * 32,
        "0x" + "1" * 30,
        "-" + "1" * 31,
        "+" + "1" * 31,
        "1_" * 16,
        "٣" * 32,
        " " * 32,
    ],
)
def test_malformed_id_is_invalid(caller, identifier):
    """Only 32 hexadecimal digits are an id, whatever else Python's int() would read."""
    with pytest.raises(Refused) as refused:
        caller.explain(identifier)
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert set(refused.value.fields) == {"authorization_id"}


def test_card_numbers_appear_in_no_output_and_no_file(caller, server, link):
    """After requests with it, good and bad, a PAN stands in no log line, no explanation and no file of the home."""
    canary = demo_pan(499)
    stranger = f"45{secrets.randbelow(10**9):09d}0000"
    answer = caller.authorize(purchase(499))
    told = caller.explain(answer.authorization_id)
    with pytest.raises(Refused):
        caller.authorize(purchase(499, currency="?", pan=canary))
    link.send(s1=purchase(499), s2=purchase(0, pan=stranger, currency="?"), s3=purchase(499, currency="?"))
    faults = link.answers(3)
    for pan in (canary, stranger):
        needle = pan.encode()
        assert pan not in server.output
        assert needle not in told.SerializeToString()
        assert all(needle not in found.SerializeToString() for found in faults.values())
        holders = [
            path
            for path in server.home.rglob("*")
            if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
        ]
        assert not holders
