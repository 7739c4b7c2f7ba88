"""What the server answers to well-formed requests, over gRPC, with its ledger behind it."""

import re

import pytest

from holdfast.v1 import authorization_pb2 as pb
from tests.end_to_end.callers import funded_minor, purchase

ONLINE = {"entry_mode": pb.ENTRY_MODE_ECOMMERCE, "card_present": False}


def at(request, category):
    """The same at a merchant of another category."""
    request.merchant.category_code = category
    return request


@pytest.mark.parametrize(
    ("kind", "category", "cashback_minor"),
    [
        (pb.TRANSACTION_TYPE_PURCHASE, "5411", 0),
        (pb.TRANSACTION_TYPE_CASH_WITHDRAWAL, "6011", 0),
        (pb.TRANSACTION_TYPE_PURCHASE_CASHBACK, "5411", 2_000),
        (pb.TRANSACTION_TYPE_QUASI_CASH, "6051", 0),
    ],
    ids=["purchase", "cash", "cashback", "quasi-cash"],
)
def test_holding_transaction_is_approved_with_every_field(caller, card, kind, category, cashback_minor):
    """A transaction that takes money answers 00 with its codes, amounts and score, and the money is held."""
    request = at(purchase(card, 6_000, transaction_type=kind, cashback_amount_minor=cashback_minor), category)
    answer = caller.authorize(request)
    assert answer.response_code == "00", answer
    assert re.fullmatch(r"[0-9A-Z]{6}", answer.authorization_code)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.authorization_id)
    assert answer.approved_amount_minor == 6_000
    assert answer.billing_currency == "USD"
    assert answer.available_minor == funded_minor(card) - 6_000
    assert 0 < answer.risk_score < 1
    assert not answer.replayed
    assert not answer.stand_in
    assert caller.available_minor(card) == funded_minor(card) - 6_000


def test_account_status_answers_85_and_holds_nothing(caller, card):
    """A good card's status is 85, with what is available and no authorization code."""
    request = purchase(card, 0, transaction_type=pb.TRANSACTION_TYPE_ACCOUNT_STATUS)
    answer = caller.authorize(request)
    assert answer.response_code == "85"
    assert answer.authorization_code == ""
    assert answer.approved_amount_minor == 0
    assert answer.available_minor == funded_minor(card)


def test_balance_inquiry_answers_00_with_what_is_available(caller, card):
    """Nothing is held, and nothing approved."""
    answer = caller.authorize(purchase(card, 0, transaction_type=pb.TRANSACTION_TYPE_BALANCE_INQUIRY))
    assert (answer.response_code, answer.approved_amount_minor) == ("00", 0)
    assert answer.available_minor == funded_minor(card)


@pytest.mark.parametrize(
    ("kind", "taken_minor"),
    [
        (pb.TRANSACTION_TYPE_REFUND, 0),
        (pb.TRANSACTION_TYPE_ORIGINAL_CREDIT, 0),
        (pb.TRANSACTION_TYPE_ACCOUNT_FUNDING, 1_000),
    ],
)
def test_money_goes_the_way_its_transaction_says(caller, card, kind, taken_minor):
    """A refund and an original credit are pending until cleared; account funding is taken from the card."""
    answer = caller.authorize(purchase(card, 1_000, transaction_type=kind))
    assert (answer.response_code, answer.approved_amount_minor) == ("00", 1_000)
    assert answer.available_minor == caller.available_minor(card) == funded_minor(card) - taken_minor


def test_foreign_currency_without_a_billing_amount_or_a_rate_answers_05(caller, card):
    """Nobody knows what it costs, so nothing can be held."""
    answer = caller.authorize(purchase(card, 1_000, currency="XPF"))
    assert answer.response_code == "05"
    assert "currency_not_converted" in answer.reasons
    assert caller.available_minor(card) == funded_minor(card)


def test_foreign_currency_with_a_billing_amount_holds_that(caller, card):
    """The sender's billing amount is what the account is charged."""
    answer = caller.authorize(purchase(card, 1_000, currency="EUR", billing_amount_minor=1_130))
    assert (answer.response_code, answer.approved_amount_minor, answer.billing_currency) == (
        "00",
        1_130,
        "USD",
    )
    assert caller.available_minor(card) == funded_minor(card) - 1_130


def test_unknown_card_answers_14(caller):
    """A good number that was never issued is no error, but a decline."""
    answer = caller.authorize(purchase(0, 1_000, pan="4111111111111111"))
    assert answer.response_code == "14"
    assert list(answer.reasons) == ["card_unknown"]


def test_unknown_token_answers_14(caller):
    """A well-formed token that no card has is an unknown card."""
    answer = caller.authorize(purchase(0, 1_000, card_token=f"card_{'0' * 31}1"))
    assert answer.response_code == "14"


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"expiry_yymm": 3011}, "54", "expiry_mismatch"),
        ({"amount_minor": 0}, "13", "amount_senseless"),
        ({"amount_minor": 1_000, "cashback_amount_minor": 500}, "13", "amount_senseless"),
        (
            {
                "transaction_type": pb.TRANSACTION_TYPE_PURCHASE_CASHBACK,
                "amount_minor": 1_000,
                "cashback_amount_minor": 1_001,
            },
            "13",
            "amount_senseless",
        ),
        (
            {"transaction_type": pb.TRANSACTION_TYPE_ACCOUNT_STATUS, "amount_minor": 1},
            "13",
            "amount_senseless",
        ),
        ({"card_verification": pb.CHECK_RESULT_MISMATCH}, "82", "cryptogram_mismatch"),
        ({"card_verification": pb.CHECK_RESULT_MISMATCH, **ONLINE}, "N7", "cvv2_mismatch"),
        ({"transaction_type": pb.TRANSACTION_TYPE_CASH_WITHDRAWAL, **ONLINE}, "12", "transaction_senseless"),
    ],
)
def test_decline_has_its_code_and_reason_and_holds_nothing(caller, card, changes, code, reason):
    """Each thing that is wrong has its own code, named first among the reasons, and leaves the balance alone."""
    answer = caller.authorize(purchase(card, **{"amount_minor": 1_000, **changes}))
    assert answer.response_code == code, answer
    assert answer.reasons[0] == reason
    assert answer.authorization_code == ""
    assert answer.approved_amount_minor == 0
    assert caller.available_minor(card) == funded_minor(card)


@pytest.mark.parametrize("amount_minor", [10_000_000, 2**63 - 1])
def test_more_than_the_balance_answers_51(caller, trusted_card, amount_minor):
    """The ledger has the last word; what it refuses is not held."""
    answer = caller.authorize(purchase(trusted_card, amount_minor))
    assert (answer.response_code, list(answer.reasons)) == ("51", ["funds"]), answer
    assert (answer.authorization_code, answer.approved_amount_minor) == ("", 0)
    assert caller.available_minor(trusted_card) == funded_minor(trusted_card)


def test_high_score_declines_what_the_balance_would_cover(caller, card):
    """An amount far from what is usual, by night, answers 59 with its score above the threshold, and says why."""
    request = purchase(card, funded_minor(card))
    request.local_time.seconds += 15 * 3600
    answer = caller.authorize(request)
    assert (answer.response_code, answer.reasons[0]) == ("59", "score_decline")
    assert answer.risk_score > 0.85
    assert "AMOUNT_UNUSUAL" in answer.reasons
    assert caller.available_minor(card) == funded_minor(card)


def test_merchant_abroad_answers_62(caller, card):
    """Use abroad is off unless it is switched on."""
    request = purchase(card)
    request.merchant.country = "GB"
    answer = caller.authorize(request)
    assert (answer.response_code, answer.reasons[0]) == ("62", "channel_international")


def test_first_thing_wrong_decides(caller, card):
    """Of several failures the answer is the most important one's, and all are told in order."""
    request = purchase(card, 10_000_000, expiry_yymm=3011)
    request.merchant.country = "GB"
    answer = caller.authorize(request)
    assert answer.response_code == "54"
    assert list(answer.reasons)[:2] == ["expiry_mismatch", "channel_international"]


def test_partial_approval_takes_what_is_there_where_the_sender_allows_it(caller, trusted_card):
    """More than the balance is approved in part (10), and then there is nothing left: 51, with nothing held."""
    asked = funded_minor(trusted_card) + 50_000
    answer = caller.authorize(purchase(trusted_card, asked, partial_approval_allowed=True))
    assert (answer.response_code, answer.approved_amount_minor) == ("10", funded_minor(trusted_card))
    assert len(answer.authorization_code) == 6
    assert answer.available_minor == 0
    nothing = caller.authorize(purchase(trusted_card, 1_000, partial_approval_allowed=True))
    assert (nothing.response_code, nothing.approved_amount_minor) == ("51", 0)


def test_whole_balance_can_be_spent_to_the_last_cent(caller, trusted_card):
    """The balance itself is approved in full; one cent more is 51."""
    answer = caller.authorize(purchase(trusted_card, funded_minor(trusted_card)))
    assert (answer.response_code, answer.available_minor) == ("00", 0)
    assert caller.authorize(purchase(trusted_card, 1)).response_code == "51"


def test_fourth_wrong_pin_is_refused_for_its_number(caller, card):
    """Three wrong PINs answer 55; after them the card answers 75, even to the right PIN."""
    wrong = [
        caller.authorize(purchase(card, pin_verification=pb.CHECK_RESULT_MISMATCH)).response_code
        for _ in range(4)
    ]
    assert wrong == ["55", "55", "55", "75"]
    right = caller.authorize(purchase(card, pin_verification=pb.CHECK_RESULT_MATCH))
    assert right.response_code == "75"
    assert caller.available_minor(card) == funded_minor(card)


def test_right_pin_forgives_wrong_ones(caller, card):
    """A right PIN begins the count anew."""
    verdicts = [pb.CHECK_RESULT_MISMATCH, pb.CHECK_RESULT_MISMATCH, pb.CHECK_RESULT_MATCH] * 2
    codes = [caller.authorize(purchase(card, pin_verification=v)).response_code for v in verdicts]
    assert codes == ["55", "55", "00"] * 2


def test_every_merchant_text_of_the_contract_is_taken_as_it_is(caller, card):
    """Names in any script, with quotes and markup, up to 25 characters, come back in the explanation unchanged."""
    request = purchase(card)
    request.merchant.name = "Ñandú '\"; DROP <b>😀</b>"
    request.merchant.city = "東京都千代田区 - München"
    answer = caller.authorize(request)
    assert answer.response_code == "00"
    told = caller.explain(answer.authorization_id).request
    assert (told.merchant.name, told.merchant.city) == (request.merchant.name, request.merchant.city)


@pytest.mark.parametrize("sent", ["oldest", "newest"])
def test_message_at_the_edge_of_the_accepted_times_is_answered(caller, card, sent):
    """A little under an hour old and a little under five minutes ahead are good."""
    request = purchase(card)
    request.key.transmission_time.seconds += {"oldest": -3_590, "newest": 290}[sent]
    assert caller.authorize(request).response_code == "00"


def test_what_the_sender_may_leave_out_may_be_left_out(caller, card):
    """Expiry, local time, reference, terminal, merchant id, name, city and place are not required."""
    request = purchase(card, expiry_yymm=0)
    request.ClearField("local_time")
    request.merchant.CopyFrom(pb.Merchant(country="US", category_code="5411"))
    request.key.retrieval_reference = request.key.terminal_id = ""
    assert caller.authorize(request).response_code in {"00", "85"}
