"""What a rule says: as people write it, as it is kept, as the core reads it."""

import json

import pytest

from server.core.directory import Condition, Operator
from server.core.record import EntryMode, TransactionType
from server.store.conditions import Codes, check_conditions, parse_conditions, read_conditions, written
from server.store.postgres import StoreError

CODES = Codes({"GB": 826, "US": 840}, {"EUR": 978})


@pytest.mark.parametrize(
    ("text", "document", "again"),
    [
        (
            "amount > 500 and category in 6011,7995",
            [{"field": "amount", "above": 500}, {"field": "category", "in": [6011, 7995]}],
            None,
        ),
        ("speed_kmh >= 900.5", [{"field": "speed_kmh", "at_least": 900.5}], None),
        ("hour<6 AND_NOT", None, None),
        ("hour<6  and hour <=5", [{"field": "hour", "below": 6}, {"field": "hour", "at_most": 5}], "hour < 6 and hour <= 5"),
        ("country not in gb, US", [{"field": "country", "not_in": [826, 840]}], "country not in GB,US"),
        ("country != GB", [{"field": "country", "not_in": [826]}], "country not in GB"),
        ("currency = EUR", [{"field": "currency", "equals": 978}], None),
        ("is_domestic = no", [{"field": "is_domestic", "equals": 0}], "is_domestic = 0"),
        ("entry_mode in (ecommerce, chip)", [{"field": "entry_mode", "in": [5, 3]}], "entry_mode in ecommerce,chip"),
        ("cardholder_authentication is missing", [{"field": "cardholder_authentication", "missing": True}], None),
        ("score is present", [{"field": "score", "missing": False}], None),
        ('[{"field": "amount", "above": 1}]', [{"field": "amount", "above": 1}], "amount > 1"),
        ('{"field": "country", "in": [826]}', [{"field": "country", "in": [826]}], "country in GB"),
    ],
)  # fmt: skip
def test_conditions_are_kept_as_they_were_written_and_shown_so(text, document, again):
    """Words become numbers, and numbers with a word are shown by it."""
    if document is None:
        with pytest.raises(StoreError, match="when: "):
            parse_conditions(text, CODES)
        return
    assert parse_conditions(text, CODES) == document
    assert written(document, CODES) == (again or text)
    assert parse_conditions(written(document, CODES), CODES) == document


def test_the_core_reads_a_document_as_numbers():
    """A list as all its values, a flag as 0 or 1."""
    document = [
        {"field": "category", "in": [6011, 7995]},
        {"field": "score", "missing": True},
        {"field": "hour", "below": 6},
    ]
    assert read_conditions(json.dumps(document)) == (
        Condition("category", Operator.IN, (6011.0, 7995.0)),
        Condition("score", Operator.MISSING, (1.0,)),
        Condition("hour", Operator.BELOW, (6.0,)),
    )


def test_words_are_the_contract_s_names():
    """Each mode and kind by its own."""
    for field, names in (("entry_mode", EntryMode), ("transaction_type", TransactionType)):
        for one in names:
            if one:
                found = parse_conditions(f"{field} = {one.name.lower()}", CODES)
                assert found == [{"field": field, "equals": int(one)}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' is no condition. Write a field"),
        ("amount > 5 or hour < 6", "For or, add another rule"),
        ("ammount > 5", "there is no field 'ammount'. Fields of the request: amount_minor, .* Features: amount"),
        ("amount > lots", "'lots' is no value of amount: write a number"),
        ("amount > nan", "nan is no number, for amount"),
        ("entry_mode = swipe", "'swipe' is no value of entry_mode: write a number or one of manual, magnetic_stripe"),
        ("category in 1,,2", "'' is no value of category"),
        (" and ".join(["amount > 1"] * 17), "a rule has 1 to 16 conditions"),
        ("[]", "a rule has 1 to 16 conditions"),
        ("[{]", "that is no JSON"),
        ('[{"field": "amount", "near": 1}]', "'near' is none of above, at_least"),
        ('[{"field": "amount"}]', "is not a field and one of"),
        ('[{"field": "amount", "above": 1, "below": 2}]', "is not a field and one of"),
        ('[{"field": "amount", "above": "1"}]', "'1' is no number, for amount"),
        ('[{"field": "amount", "above": true}]', "True is no number"),
        ('[{"field": "amount", "missing": 1}]', "missing is true or false, not 1"),
        ('[{"field": "category", "in": 1}]', "in lists 1 to 1000 numbers"),
        ('[{"field": "category", "in": []}]', "in lists 1 to 1000 numbers"),
        ("[1]", "1 is not a field and one of"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_kept_is_refused_by_name(text, complaint):
    """The field, and what is allowed."""
    with pytest.raises(StoreError, match=f"when: .*{complaint}"):
        parse_conditions(text, CODES)


def test_a_document_is_checked_whoever_made_it():
    """What isn't even a list, too."""
    with pytest.raises(StoreError, match="1 to 16 conditions"):
        check_conditions("amount > 1")
