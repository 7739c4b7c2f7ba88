"""What may not be filed is refused with the reason; what would harm the reader is refused unread."""

import re
from datetime import date

import pytest

from compliance.filings.acknowledgement import acknowledgement_of
from compliance.filings.batch import ctr_batch, sar_batch
from compliance.filings.documents import SIZE_MAX, DocumentError, read_bytes
from compliance.filings.schemas import SchemaError, Schemas
from compliance.filings.validation import validate
from tests.compliance.filings.samples import BANK, CTR, FINCEN, SAR, schema_path

FILED = date(2026, 2, 1)
FORMS = ("SAR", "CTR", "8300", "DOEP", "FBAR")
BATCHES = tuple((form, f"{form.lower()}_batch.xml") for form in FORMS)
ACKNOWLEDGEMENTS = tuple(f"{form.lower()}_acknowledgement.xml" for form in FORMS)


@pytest.fixture
def schemas(tmp_path):
    """All of FinCEN's schemas, installed."""
    found = Schemas(tmp_path / "schemas")
    for form in FORMS:
        found.install(schema_path(form))
    return found


@pytest.mark.parametrize(("form", "name"), BATCHES)
def test_an_invalid_sample_is_refused_with_its_reasons(schemas, form, name):
    """Each old batch: not in the namespace, and its parts out of order, each with line and element."""
    found, faults = validate((FINCEN / "invalid_samples" / name).read_bytes(), schemas)
    assert found == f"{form}X"
    assert "must be in the namespace www.fincen.gov/base" in faults[0].text
    assert any("Expected is ( FormTypeCode )" in each.text for each in faults)
    assert all(each.line > 0 and each.path.startswith("EFilingBatchXML") for each in faults)


@pytest.mark.parametrize("name", ACKNOWLEDGEMENTS)
def test_an_acknowledgement_is_no_batch_but_is_read_back(schemas, name):
    """Refused as a batch with the command that reads it; its three answers have identifiers."""
    data = (FINCEN / "invalid_samples" / name).read_bytes()
    _, faults = validate(data, schemas)
    assert any("holdfast filings acknowledge" in each.text for each in faults)
    said = acknowledgement_of(data)
    assert said.is_accepted
    assert len(said.answers) == 3
    assert all(re.fullmatch(r"\d{14}", each.bsa_id) for each in said.answers)
    assert all(trouble.code and trouble.text for each in said.answers for trouble in each.troubles)


SAR_FAULTS = (
    ("TotalAmount=.28501.", 'TotalAmount="1"', "TotalAmount must be 28501"),
    ("PartyCount=.1.", 'PartyCount="9"', "PartyCount must be 1, the number of subjects"),
    ("ActivityCount=.1.", 'ActivityCount="2"', "ActivityCount must be 1"),
    ("Code>33<", "Code>19<", "must have a party of type 33"),
    ("Code>37<", "Code>18<", "must have one party of type 37, has 0"),
    ("Code>33<", "Code>99<", "ActivityPartyTypeCode"),
    ("SARX<", "CTRX<", "ActivityAttachmentCount"),
    (">20260105<", ">20260110<", "must not be before"),
    (">20260105<", ">5 January<", "SuspiciousActivityFromDateText"),
    (">28501<", ">28501.50<", "must be whole US dollars"),
    (r'SeqNum="4"', 'SeqNum="3"', "SeqNum"),
    (">US<", ">USA<", "RawCountryCodeText"),
    ("<fc2:Initial.*?>Y<", "<fc2:CorrectsAmendsPriorReportIndicator>Y<", "CorrectsAmends|tag mismatch"),
    (">114<", ">812<", "SuspiciousActivitySubtypeID"),
    ("SequenceNumber>1<", "SequenceNumber>2<", "numbered from 1"),
)


@pytest.mark.parametrize(("good", "bad", "says"), SAR_FAULTS)
def test_a_changed_sar_is_refused_by_what_is_wrong(schemas, good, bad, says):
    """One change to a batch that is right: the fault names it."""
    text = sar_batch([("1", SAR)], BANK, FILED).decode()
    changed = re.sub(good, bad, text, count=1)
    assert changed != text
    _, faults = validate(changed.encode(), schemas)
    assert any(re.search(says, f"{each.path} {each.text}") for each in faults), faults


CTR_FAULTS = (
    ("TotalCashInReceiveAmountText>12001", "TotalCashInReceiveAmountText>12002", "the parts must add up"),
    ("Code>23<", "Code>58<", "needs that other"),
    ("PartyCount=.7.", 'PartyCount="6"', "PartyCount must be 7, the number of Party elements"),
    ("12001<", "9000<", "must be more than 10,000"),
)


@pytest.mark.parametrize(("good", "bad", "says"), CTR_FAULTS)
def test_a_changed_ctr_is_refused_by_what_is_wrong(schemas, good, bad, says):
    """One change to a batch that is right: the fault names it."""
    text = ctr_batch([CTR], BANK, FILED).decode()
    changed = re.sub(good, bad, text)
    assert changed != text
    _, faults = validate(changed.encode(), schemas)
    assert any(says in each.text for each in faults), faults


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
HOSTILE = {
    "outside entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "outside document type": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l11;</x>',
    "billion laughs in an attribute": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x a="&l11;"/>',
    "too deep": "<x>" * 100_000,
    "cut off": "<EFilingBatchXML><Activity>",
    "not XML": "%PDF-1.7",
    "nothing": "",
    "another encoding": '<?xml version="1.0" encoding="no-such"?><x/>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_xml_that_would_reach_out_or_grow_is_refused(tmp_path, name):
    """One fault that says what it is; no file is opened, no entity is expanded."""
    _, faults = validate(HOSTILE[name].encode(), Schemas(tmp_path))
    assert len(faults) == 1
    assert "root:" not in faults[0].text
    with pytest.raises(DocumentError):
        acknowledgement_of(HOSTILE[name].encode())


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path):
    """By its size alone, with what is allowed."""
    path = tmp_path / "huge.xml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(DocumentError, match=f"at most {SIZE_MAX:,}"):
        read_bytes(path)


def test_a_batch_without_its_schema_is_refused_by_the_command(tmp_path):
    """Not held to be right because nothing could be checked."""
    _, faults = validate(sar_batch([("1", SAR)], BANK, FILED), Schemas(tmp_path))
    assert "holdfast filings schemas PATH" in faults[0].text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<x/>", "no schema of the namespace"),
        ("<x>", "not well-formed"),
        (
            (
                '<s:schema xmlns:s="http://www.w3.org/2001/XMLSchema" targetNamespace="www.fincen.gov/base">'
                '<s:import namespace="urn:x" schemaLocation="http://127.0.0.1:9/x.xsd"/></s:schema>'
            ),
            "refers to another file",
        ),
        (
            '<s:schema xmlns:s="http://www.w3.org/2001/XMLSchema" targetNamespace="www.fincen.gov/base"/>',
            "fixes no FormTypeCode",
        ),
    ],
)
def test_what_is_no_batch_schema_is_not_installed(tmp_path, text, says):
    """Refused by name; nothing is copied."""
    path = tmp_path / "schema.xsd"
    path.write_text(text)
    schemas = Schemas(tmp_path / "schemas")
    with pytest.raises(SchemaError, match=says):
        schemas.install(path)
    assert schemas.installed() == []
