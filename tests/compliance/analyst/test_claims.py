"""Claims beside the record: what it bears out stands, everything else is struck, with its reason."""

import json

import pytest

from compliance.analyst.aliases import Aliases
from compliance.analyst.answer import ShapeError, parse
from compliance.analyst.asking import AskError, _reply
from compliance.analyst.by_rules import from_rules
from compliance.analyst.checking import checked
from compliance.analyst.claims import faults_of
from compliance.analyst.prompt import prompt_of
from compliance.analyst.record import record_of
from compliance.facts import Kind
from compliance.results import DutyKind, Tier
from tests.compliance.analyst.scene import HIT, PASSAGES, assessed, dossier_of

CASE = dossier_of()
RULES = assessed(CASE, (HIT,))
ALIASES = Aliases(CASE, (HIT,))
PROMPT = prompt_of(CASE, RULES, (HIT,), PASSAGES, ALIASES)
RECORD = record_of(PROMPT, CASE, RULES, (HIT,), PASSAGES, ALIASES)

STANDS = (
    "PERSON_1 sent 62,500.00 USD by wire on 2026-11-19.",
    "On November 13, 2026 a cash deposit of $9,400 was made at BRANCH_1.",
    "Three cash deposits of 9,400.00, 9,550.00 and 9,700.00 USD went before the wire.",
    "The deposits stay under the reporting threshold of $10,000 (31 CFR 1010.314).",
    "A suspicious activity report is due within 30 days under P1.",
    "COMPANY_1 is in AE and may be LISTED_1.",
    "The customer's largest movement until then was 9,550.00 USD.",
    "That is over 3 times the largest movement.",
    "62.5k USD left ACCOUNT_1 on 19 November 2026.",
)
FALLS = (
    ("PERSON_1 sent 62,400.00 USD.", "62,400.00 USD is no amount"),
    ("PERSON_1 sent 62,500.00 EUR.", "another currency"),
    ("PERSON_1 moved 1.2 million.", "can't be compared"),
    ("PERSON_1 moved 47k USD.", "no amount"),
    ("A deposit of $9,400.00 was made on 2026-11-15.", "that amount on that date"),
    ("A deposit of $9,400.00 went to ACCOUNT_3.", "that amount on that account"),
    ("It happened on 2026-10-01.", "the date 2026-10-01"),
    ("It happened on 5 March.", "the date 5 march"),
    ("It happened on 11/02/2026.", "the date 2026-11-02"),
    ("There were 7 cash deposits.", "the record has no 7"),
    ("There were four wires.", "the record has no 4"),
    ("Dozens of deposits were made.", "can't be compared"),
    ("PERSON_7 brought the cash.", "PERSON_7 is nobody"),
    ("ACCOUNT_12 was used.", "ACCOUNT_12 is nobody"),
    ("The account 123456789 was used.", "number that is no amount"),
    ("It breaks 31 CFR 1010.999.", "31 CFR 1010.999 was not given"),
    ("It is covered by P9.", "passage P9 was not given"),
    ("The money went to Ivan Drago.", "nobody and nothing"),
    ("Drago received the money.", "nobody and nothing"),
    ("The money went to KP.", "nobody and nothing"),
    ("The money went to Iran.", "nobody and nothing"),
    ("El dinero pasó por ACCOUNT_1.", "plain English"),
    ("See https://a.example for PERSON_1.", "plain English"),
    ("No further action is needed.", "lower the scrutiny"),
    ("The report is not required.", "lower the scrutiny"),
    ("Release the transfer to COMPANY_1.", "lower the scrutiny"),
    ("This can be postponed.", "lower the scrutiny"),
    ("PERSON_1 was already cleared of it.", "lower the scrutiny"),
)


@pytest.mark.parametrize("claim", STANDS)
def test_a_claim_stands_where_the_record_bears_it_out(claim):
    """Amounts, dates and counts as people write them."""
    assert faults_of(claim, RECORD, may_lower=False) == ""


@pytest.mark.parametrize(("claim", "why"), FALLS)
def test_a_claim_falls_where_the_record_does_not_bear_it_out(claim, why):
    """Each with a reason that says what is wrong."""
    assert why in faults_of(claim, RECORD, may_lower=False)


def test_an_analysis_may_say_that_nothing_is_due_where_nothing_is():
    """A quiet transfer is called quiet."""
    assert faults_of("No further action is needed.", RECORD, may_lower=True) == ""


def answered(**given):
    """An answer, checked."""
    fields = dict(
        issues=[], approvals=[], duties=[], recommendations=[], risk="low", confidence=0.9, narrative=""
    )
    by_rules = from_rules(CASE, RULES, (HIT,), PASSAGES)
    answer = parse(json.dumps({**fields, **given}))
    return checked(answer, by_rules, PROMPT, CASE, RULES, (HIT,), PASSAGES, ALIASES)


DUTY = {"kind": "sar", "cited": "P1", "reason": "Cash came before the wire.", "due": None}


@pytest.mark.parametrize(
    ("duty", "why"),
    [
        ({"kind": "pay_a_fine"}, "nobody knows such a duty"),
        ({"cited": "P9"}, "passage P9 was not given"),
        ({"kind": "enhanced_due_diligence", "cited": "P2"}, "asks for no such thing"),
        ({"kind": "ctr", "cited": "P2"}, "no cash over 10,000"),
        ({"kind": "error_resolution"}, "asks for no such thing"),
        ({"kind": "sar", "due": "2027-06-01"}, "due later than 2026-12-19"),
        ({"reason": "PERSON_1 moved 77,000.00 USD."}, "77,000.00 USD is no amount"),
    ],
)
def test_a_duty_is_struck_when_it_is_unknown_uncited_or_late(duty, why):
    """And the rules' duties stay as they were."""
    done, share = answered(duties=[{**DUTY, **duty}])
    assert done.duties == RULES.duties
    assert why in done.struck[0].why
    assert share == 1.0


def test_an_issue_is_struck_when_it_cites_nothing_or_nothing_given():
    """Every issue rests on a passage."""
    issue = {"text": "Cash came before the wire.", "severity": "high"}
    done, _ = answered(issues=[{**issue, "cited": []}, {**issue, "cited": ["P1", "P8"]}])
    assert [struck.why for struck in done.struck] == ["it cites no passage", "passage P8 was not given"]


def test_the_tier_is_raised_only_by_an_issue_that_stands():
    """A risk without a reason is only a word; and nothing lowers it."""
    issue = {"text": "Cash came before the wire.", "severity": "high", "cited": ["P2"]}
    assert answered(risk="high")[0].tier is RULES.tier is Tier.LOW
    assert answered(risk="high", issues=[{**issue, "cited": ["P9"]}])[0].tier is Tier.LOW
    assert answered(risk="high", issues=[issue])[0].tier is Tier.HIGH
    assert answered(risk="high", issues=[{**issue, "severity": "medium"}])[0].tier is Tier.MEDIUM


def test_a_narrative_gives_way_to_the_rules_draft_when_it_leaves_out_what_or_when():
    """What is struck in it is gone; what is left must still tell the amount and the day."""
    rules = from_rules(CASE, RULES, (HIT,), PASSAGES).narrative
    assert answered(narrative="PERSON_1 sent money.")[0].narrative == rules
    told = "On 2026-11-19 PERSON_1 sent 62,500.00 USD by wire. COMPANY_1 received it in AE."
    done, _ = answered(narrative=f"{told} He did it 47 times.")
    assert done.narrative.startswith("On 2026-11-19 Zebulon Quartermaine sent 62,500.00 USD")
    assert "47" not in done.narrative
    assert done.struck[0].claim == "He did it 47 times."


def test_a_block_is_no_models_to_ask_for_where_no_party_matches():
    """A listed party is the lists' word."""
    case = dossier_of(kind=Kind.WIRE)
    assert DutyKind.BLOCK not in {duty.kind for duty in assessed(case).duties}
    done, _ = answered(duties=[{**DUTY, "kind": "block", "cited": "P1"}])
    assert DutyKind.BLOCK not in {duty.kind for duty in done.duties}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"issues": 1}',
        '{"issues":[],"approvals":["king"],"duties":[],"recommendations":[],"risk":"low","confidence":1,"narrative":""}',
        '{"issues":[],"approvals":[],"duties":[],"recommendations":[],"risk":"none","confidence":1,"narrative":""}',
        '{"issues":[],"approvals":[],"duties":[],"recommendations":[],"risk":"low","confidence":NaN,"narrative":""}',
        '{"issues":[],"approvals":[],"duties":[],"recommendations":[],"risk":"low","confidence":2,"narrative":""}',
        '{"issues":[],"approvals":[],"duties":[],"recommendations":[],"risk":"low","confidence":1,"narrative":"","x":1}',
    ],
)
def test_an_answer_of_another_shape_is_told_apart_whatever_it_is(text):
    """One kind of error; nothing else comes out."""
    with pytest.raises(ShapeError):
        parse(text)


def test_an_answer_is_shorn_of_what_no_table_and_no_message_takes():
    """NUL and half a surrogate pair fail in PostgreSQL and Protocol Buffers; bidi marks turn what a person reads."""
    (issue, *_) = parse(
        json.dumps(
            {
                "issues": [{"text": "a\x00b\ud800\u202ec", "severity": "low", "cited": []}],
                "approvals": [], "duties": [], "recommendations": ["\x1b[2Jd"], "risk": "low", "confidence": 1,
                "narrative": "one\n\u200btwo",
            }
        )
    ).issues  # fmt: skip
    assert issue.text == "abc"


def test_a_reply_that_is_no_text_is_malformed():
    """Half a surrogate pair: the answer could not be kept."""
    body = {"choices": [{"message": {"content": "\ud800"}, "finish_reason": "stop"}]}
    with pytest.raises(AskError, match="malformed"):
        _reply(json.dumps(body).encode())
