"""The branch where cash changes hands: asked for, kept sealed, given back."""

import json

import pytest

from holdfast.v1 import transfers_pb2 as pb
from server.front.asking import asked
from server.front.fields import BadRequest
from server.store.transfers import Details
from tests.server.banking.bank import transfer


def test_a_branch_is_taken_with_cash_and_kept_with_its_details():
    """It is part of what is sealed; without one the text is empty."""
    assert asked(transfer("cash_deposit", 0, 100, branch="north-12")).details.branch == "north-12"
    assert '"branch": "north-12"' in Details(branch="north-12").text
    assert asked(transfer("cash_withdrawal", 0, 100)).details.branch == ""


@pytest.mark.parametrize(
    ("kind", "branch"),
    [("wire", "north"), ("cash_deposit", "x" * 21), ("cash_deposit", "a\nb"), ("cash_deposit", "Łódź")],
)
def test_a_branch_that_can_not_be_is_refused_by_name(kind, branch):
    """Of other kinds than cash, too long, or not printable ASCII."""
    with pytest.raises(BadRequest) as refused:
        asked(transfer(kind, 0, 100, branch=branch))
    assert [each.field for each in refused.value.violations] == ["branch"]


def test_details_of_before_there_were_branches_are_read_as_without_one():
    """What was sealed by an older version has no such name."""
    assert Details(**json.loads('{"purpose": "rent"}')).branch == ""
    assert pb.CreateTransferRequest().branch == ""
