"""Batches against FinCEN's own schemas, and what FinCEN counts in them."""

import dataclasses
from datetime import date

import pytest
from lxml import etree

from compliance.filings.batch import ctr_batch, sar_batch
from compliance.filings.content import Form, Person, Report, Subject, content_of, text_of
from compliance.filings.parties import dollars, tidy
from compliance.filings.sar import BLOCK_SIZE, blocks
from tests.compliance.filings.samples import ADA, BANK, BLOCKED, CTR, SAR, STRANGER, schema_path

FILED = date(2026, 2, 1)
NOBODY = dataclasses.replace(SAR, subjects=(), amount_minor=None, branches=(), report=Report.CORRECTS)
UNKNOWN = dataclasses.replace(SAR, subjects=(Subject(Person("")), Subject(STRANGER)))


def _faults(form, batch):
    schema = etree.XMLSchema(etree.parse(schema_path(form)))
    schema.validate(etree.fromstring(batch))
    return [f"{error.path}: {error.message}" for error in schema.error_log]


@pytest.mark.parametrize("sar", [SAR, UNKNOWN, dataclasses.replace(NOBODY, prior_bsa_id="31000000000001")])
def test_a_sar_validates_whatever_is_unknown(sar):
    """A subject known, hardly known, or not at all: the schema takes the batch."""
    assert _faults("SAR", sar_batch([("1", SAR), ("2", sar)], BANK, FILED)) == []


@pytest.mark.parametrize("ctr", [CTR, dataclasses.replace(CTR, in_minor=0, out_minor=1_000_001, branches=())])
def test_a_ctr_validates_with_cash_either_way(ctr):
    """Deposits or withdrawals, with and without branches: the schema takes the batch."""
    assert _faults("CTR", ctr_batch([CTR, ctr], BANK, FILED)) == []


def test_a_sar_batch_counts_subjects_and_whole_dollars():
    """PartyCount is of subjects; the total rounds each report up."""
    batch = etree.fromstring(sar_batch([("1", SAR), ("2", UNKNOWN)], BANK, FILED))
    assert (batch.get("PartyCount"), batch.get("TotalAmount"), batch.get("ActivityCount")) == (
        "3",
        "57002",
        "2",
    )


def test_a_ctr_batch_counts_all_parties_and_all_parts():
    """Seven parties, and the deposits rounded up."""
    batch = etree.fromstring(ctr_batch([CTR], BANK, FILED))
    assert (batch.get("PartyCount"), batch.get("TotalAmount"), batch.get("ActivityCount")) == (
        "7",
        "12001",
        "1",
    )


def test_sequence_numbers_are_unique_in_a_batch():
    """Every numbered element has a number of its own, from 1 on."""
    batch = etree.fromstring(sar_batch([("1", SAR), ("2", SAR)], BANK, FILED))
    numbers = [int(each.get("SeqNum")) for each in batch.iterdescendants() if each.get("SeqNum")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_narrative_is_whole_again_from_its_blocks():
    """No block is over 4,000 characters, and no word is lost."""
    narrative = " ".join(f"word{number}" for number in range(1_500))
    pieces = blocks(narrative)
    assert max(map(len, pieces)) <= BLOCK_SIZE
    assert " ".join(pieces) == narrative


def test_a_text_loses_what_forms_refuse():
    """Line breaks, tabs, control characters and spaces beside others go; letters of any script stay."""
    assert tidy("\t Ada\x00\r\n  Łović \u200b") == "Ada Łović \u200b".strip()


@pytest.mark.parametrize(("minor", "whole"), [(0, 0), (1, 1), (100, 1), (1_000_001, 10_001)])
def test_amounts_round_up_to_whole_dollars(minor, whole):
    """As the forms' instructions say."""
    assert dollars(minor) == whole


@pytest.mark.parametrize(
    ("form", "content"), [(Form.SAR, SAR), (Form.CTR, CTR), (Form.BLOCKED_PROPERTY, BLOCKED)]
)
def test_a_content_comes_back_as_it_was_kept(form, content):
    """Through JSON and back."""
    assert content_of(form, text_of(content)) == content


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{", "not JSON"),
        ("[]", "sar must be an object"),
        ('{"colour": 1}', "sar has no colour"),
        ("{}", "sar lacks subjects"),
        (text_of(SAR).replace('"2026-01-05"', '"5 January"'), "sar.first_day must be YYYY-MM-DD"),
        (text_of(SAR).replace('"initial"', '"last"'), "sar.report must be one of initial"),
        (text_of(SAR).replace("2850050", '"much"'), "sar.amount_minor must be of type int"),
    ],
)
def test_a_content_that_does_not_fit_is_refused_by_field(text, names):
    """What is wrong is named."""
    with pytest.raises(ValueError, match=names.replace("[", r"\[")):
        content_of(Form.SAR, text)


def test_a_known_subject_is_named_with_numbers_and_accounts():
    """Birth date, SSN, document, account and relation stand in the XML; nothing says unknown of them."""
    text = sar_batch([("1", SAR)], BANK, FILED).decode()
    for value in ("Byron", "19851210", ADA.tin, "P1234567", "000123456789", "<fc2:CustomerIndicator>Y<"):
        assert value in text
    assert "TINUnknownIndicator" not in text
    assert "BirthDateUnknownIndicator" not in text
