"""Repeats and reversals: one key, one decision; a hold is released once; a balance is never overspent."""

import pytest

from holdfast.v1 import authorization_pb2 as pb
from tests.end_to_end.callers import fresh_key, funded_minor, purchase, reversal, same


def test_same_key_and_content_gets_the_first_answer(caller, card):
    """A repeat is the first answer in every field but `replayed`, and holds nothing more."""
    request = purchase(card)
    first = caller.authorize(request)
    again = caller.authorize(request)
    assert (first.response_code, first.replayed, again.replayed) == ("00", False, True)
    assert same(first, again)
    assert caller.available_minor(card) == funded_minor(card) - 1_000


def test_repeat_of_a_decline_is_the_same_decline(caller, trusted_card):
    """A 51 stays a 51, also where the balance would now allow it."""
    big = purchase(trusted_card, funded_minor(trusted_card))
    assert caller.authorize(big).response_code == "00"
    request = purchase(trusted_card, 100)
    first = caller.authorize(request)
    assert first.response_code == "51"
    assert caller.reverse(reversal(big)).released_minor == funded_minor(trusted_card)
    assert same(first, caller.authorize(request))
    assert caller.available_minor(trusted_card) == funded_minor(trusted_card)


def test_repeat_may_differ_in_what_is_not_content(caller, card):
    """Card, type, amounts, currency and merchant make the content; a verification result does not."""
    request = purchase(card)
    first = caller.authorize(request)
    request.card_verification = pb.CHECK_RESULT_MATCH
    again = caller.authorize(request)
    assert again.replayed
    assert same(first, again)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 1_001},
        {"cashback_amount_minor": 1},
        {"billing_amount_minor": 5},
        {"currency": "EUR"},
        {"transaction_type": pb.TRANSACTION_TYPE_CASH_WITHDRAWAL},
        {"pan": "4111111111111111"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_same_key_with_other_content_answers_94(caller, card, changes):
    """A key that is reused for something else is refused, and neither the balance nor the first answer changes."""
    request = purchase(card)
    first = caller.authorize(request)
    other = pb.AuthorizeRequest()
    other.CopyFrom(request)
    for name, value in changes.items():
        setattr(other, name, value)
    answer = caller.authorize(other)
    assert (answer.response_code, answer.authorization_id, answer.authorization_code) == ("94", "", "")
    assert caller.available_minor(card) == funded_minor(card) - 1_000
    assert same(first, caller.authorize(request))


def test_same_key_with_other_content_in_one_frame_is_decided_once(link, caller, card):
    """Of two contents under one key that come together, the first is decided and the other is 94."""
    request = purchase(card)
    other = pb.AuthorizeRequest()
    other.CopyFrom(request)
    other.amount_minor = 999
    link.send(s1=request, s2=other, s3=request)
    found = {k: answer.authorize for k, answer in link.answers(3).items()}
    assert [found[k].response_code for k in (1, 2, 3)] == ["00", "94", "00"]
    assert same(found[1], found[3])
    assert caller.available_minor(card) == funded_minor(card) - 1_000


def test_same_key_at_another_merchant_answers_94(caller, card):
    """The merchant is content."""
    request = purchase(card)
    caller.authorize(request)
    request.merchant.merchant_id = "M000000002"
    assert caller.authorize(request).response_code == "94"


@pytest.mark.parametrize(
    "part", ["acquirer_id", "stan", "retrieval_reference", "transmission_time", "terminal_id"]
)
def test_key_that_differs_in_one_part_is_another_message(caller, card, part):
    """Every part of the key counts."""
    request = purchase(card)
    first = caller.authorize(request)
    other = fresh_key(sent_s=request.key.transmission_time.seconds - 1)
    other.acquirer_id, other.terminal_id = "654321", "TERM0002"
    if part == "transmission_time":
        request.key.transmission_time.CopyFrom(other.transmission_time)
    else:
        setattr(request.key, part, getattr(other, part))
    second = caller.authorize(request)
    assert not second.replayed
    assert second.authorization_id != first.authorization_id
    assert caller.available_minor(card) == funded_minor(card) - 2_000


def test_fifty_identical_requests_at_once_make_one_hold(caller, card):
    """Requests that race under one key all get the one answer, and the money is held once."""
    request = purchase(card)
    calls = [caller.later(request) for _ in range(50)]
    answers = [pb.AuthorizeResponse.FromString(call.result(30)) for call in calls]
    assert {answer.response_code for answer in answers} == {"00"}
    assert sum(not answer.replayed for answer in answers) == 1
    assert all(same(answers[0], answer) for answer in answers)
    assert caller.available_minor(card) == funded_minor(card) - 1_000


def test_identical_requests_in_one_frame_make_one_hold(link, caller, card):
    """Repeats that stand side by side in a frame are one decision too."""
    request = purchase(card)
    link.send_all(dict.fromkeys(range(1, 101), request))
    answers = [answer.authorize for answer in link.answers(100).values()]
    assert {answer.response_code for answer in answers} == {"00"}
    assert sum(not answer.replayed for answer in answers) == 1
    assert all(same(answers[0], answer) for answer in answers)
    assert caller.available_minor(card) == funded_minor(card) - 1_000


def test_requests_at_once_never_overspend_a_card(caller, link, trusted_card):
    """Of many purchases racing for one balance, as many are approved as it covers, not one more."""
    amount_minor = funded_minor(trusted_card) // 7
    link.send_all({k: purchase(trusted_card, amount_minor) for k in range(1, 31)})
    calls = [caller.later(purchase(trusted_card, amount_minor)) for _ in range(30)]
    answers = [pb.AuthorizeResponse.FromString(call.result(30)) for call in calls]
    answers += [answer.authorize for answer in link.answers(30).values()]
    approved = [answer for answer in answers if answer.response_code == "00"]
    assert {answer.response_code for answer in answers} == {"00", "51"}
    assert len(approved) == 7
    left = [funded_minor(trusted_card) - (k + 1) * amount_minor for k in range(7)]
    assert sorted((answer.available_minor for answer in approved), reverse=True) == left
    assert caller.available_minor(trusted_card) == left[-1]


def test_partial_approvals_at_once_share_the_balance(link, caller, trusted_card):
    """Partial approvals that race take the balance to exactly zero."""
    amount_minor = funded_minor(trusted_card) * 2 // 7
    request = {"partial_approval_allowed": True}
    link.send_all({k: purchase(trusted_card, amount_minor, **request) for k in range(1, 11)})
    answers = [answer.authorize for answer in link.answers(10).values()]
    codes = [answer.response_code for answer in answers]
    assert (codes.count("00"), codes.count("10"), codes.count("51")) == (3, 1, 6)
    assert sum(answer.approved_amount_minor for answer in answers) == funded_minor(trusted_card)
    assert caller.available_minor(trusted_card) == 0


@pytest.mark.parametrize("by", ["key", "id"])
def test_reversal_releases_the_hold(caller, card, by):
    """A full reversal gives back what was held, whether it names the key or the id."""
    request = purchase(card)
    answer = caller.authorize(request)
    message = reversal(request) if by == "key" else reversal(authorization_id=answer.authorization_id)
    released = caller.reverse(message)
    assert (released.response_code, released.released_minor, released.replayed) == ("00", 1_000, False)
    assert caller.available_minor(card) == funded_minor(card)


def test_reversal_releases_what_was_approved_in_part(caller, trusted_card):
    """What comes back is what was held, not what was asked."""
    request = purchase(trusted_card, funded_minor(trusted_card) + 1, partial_approval_allowed=True)
    assert caller.authorize(request).response_code == "10"
    assert caller.reverse(reversal(request)).released_minor == funded_minor(trusted_card)
    assert caller.available_minor(trusted_card) == funded_minor(trusted_card)


def test_repeat_of_a_reversal_gets_its_first_answer(caller, card):
    """The same reversal again says again what it released, and releases nothing more."""
    request = purchase(card)
    caller.authorize(request)
    message = reversal(request)
    first, again = caller.reverse(message), caller.reverse(message)
    assert (first.released_minor, again.released_minor, again.replayed) == (1_000, 1_000, True)
    assert caller.available_minor(card) == funded_minor(card)


def test_second_reversal_with_a_new_key_releases_nothing(caller, card):
    """A hold is released once; another reversal of it is accepted and says 0."""
    request = purchase(card)
    caller.authorize(request)
    caller.reverse(reversal(request))
    second = caller.reverse(reversal(request))
    assert (second.response_code, second.released_minor, second.replayed) == ("00", 0, False)
    assert caller.available_minor(card) == funded_minor(card)


def test_reversal_key_reused_for_another_original_answers_94(caller, card):
    """A reversal's content is what it reverses."""
    first, second = purchase(card), purchase(card, 500)
    caller.authorize(first)
    caller.authorize(second)
    message = reversal(first)
    caller.reverse(message)
    message.original.CopyFrom(second.key)
    assert caller.reverse(message).response_code == "94"
    assert caller.available_minor(card) == funded_minor(card) - 500


def test_reversal_may_have_its_originals_key(caller, card):
    """The operation is part of a message's identity: a reversal may reuse the STAN of what it reverses."""
    request = purchase(card)
    caller.authorize(request)
    message = pb.ReverseRequest(key=request.key, original=request.key)
    assert caller.reverse(message).released_minor == 1_000
    assert caller.available_minor(card) == funded_minor(card)


def test_original_that_comes_after_its_reversal_is_not_held(caller, card):
    """A reversal that overtook its original makes the late original decline, and so do its repeats."""
    request = purchase(card)
    early = caller.reverse(reversal(request))
    assert (early.response_code, early.released_minor) == ("00", 0)
    late = caller.authorize(request)
    assert (late.response_code, late.reasons[0]) == ("05", "reversed_before_arrival")
    again = caller.authorize(request)
    assert again.replayed
    assert same(late, again)
    assert caller.available_minor(card) == funded_minor(card)


def test_reversal_of_a_decline_releases_nothing(caller, card):
    """There is nothing to give back."""
    request = purchase(card, expiry_yymm=3011)
    caller.authorize(request)
    answer = caller.reverse(reversal(request))
    assert (answer.response_code, answer.released_minor) == ("00", 0)
    assert caller.available_minor(card) == funded_minor(card)


def test_repeat_after_a_reversal_is_still_the_first_answer(caller, card):
    """What was said stays said: the repeat of a reversed purchase is its approval, and nothing is held anew."""
    request = purchase(card)
    first = caller.authorize(request)
    caller.reverse(reversal(request))
    assert same(first, caller.authorize(request))
    assert caller.available_minor(card) == funded_minor(card)


def test_purchase_and_reversal_in_one_frame_leave_nothing_held(link, caller, card):
    """A reversal that meets its original in flight waits for it, in whatever order they stand."""
    requests = [purchase(card, 100) for _ in range(40)]
    messages = {}
    for number, request in enumerate(requests):
        pair = [request, reversal(request)]
        if number % 2:
            pair.reverse()
        messages[2 * number + 1], messages[2 * number + 2] = pair
    link.send_all(messages)
    found = link.answers(len(messages))
    assert all(answer.WhichOneof("body") in {"authorize", "reverse"} for answer in found.values())
    assert caller.available_minor(card) == funded_minor(card)


def test_many_reversals_at_once_release_once(link, caller, card):
    """Reversals that race for one hold give it back once."""
    request = purchase(card)
    caller.authorize(request)
    link.send_all({k: reversal(request) for k in range(1, 21)})
    released = [answer.reverse.released_minor for answer in link.answers(20).values()]
    assert sorted(released) == [0] * 19 + [1_000]
    assert caller.available_minor(card) == funded_minor(card)
