"""Reports of one form as one batch file for the BSA E-Filing system."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from lxml import etree

from compliance.filings.bank import Bank
from compliance.filings.content import Ctr, Sar
from compliance.filings.ctr import put_ctr
from compliance.filings.parties import NAMESPACE, dollars, put
from compliance.filings.sar import SUBJECT, put_sar

ACTIVITIES_MAX: Final = 1_000
"""In one file of ours; a later file takes the rest."""

_IN: Final = f"{{{NAMESPACE}}}"


def sar_batch(reports: Sequence[tuple[str, Sar]], bank: Bank, filed: date) -> bytes:
    """
    The batch of these reports, each with its internal number, as UTF-8.

    TotalAmount is the sum of their total suspicious amounts, PartyCount counts their subjects.
    """
    batch = _begin("SARX")
    for number, sar in reports:
        put_sar(batch, sar, bank, filed, number)
    subjects = batch.iterfind(f"{_IN}Activity/{_IN}Party/{_IN}ActivityPartyTypeCode")
    batch.set("TotalAmount", str(sum(dollars(sar.amount_minor or 0) for _, sar in reports)))
    batch.set("PartyCount", str(sum(code.text == SUBJECT for code in subjects)))
    batch.set("ActivityCount", str(len(reports)))
    batch.set("ActivityAttachmentCount", "0")
    batch.set("AttachmentCount", "0")
    return _end(batch)


def ctr_batch(reports: Sequence[Ctr], bank: Bank, filed: date) -> bytes:
    """
    The batch of these reports, as UTF-8.

    TotalAmount is the sum of all parts, cash in and out; PartyCount counts all parties.
    """
    batch = _begin("CTRX")
    for ctr in reports:
        put_ctr(batch, ctr, bank, filed)
    total = sum(dollars(ctr.in_minor) + dollars(ctr.out_minor) for ctr in reports)
    batch.set("TotalAmount", str(total))
    batch.set("PartyCount", str(sum(1 for _ in batch.iterfind(f"{_IN}Activity/{_IN}Party"))))
    batch.set("ActivityCount", str(len(reports)))
    return _end(batch)


def _begin(form: str) -> Any:
    batch = etree.Element(f"{_IN}EFilingBatchXML", nsmap={"fc2": NAMESPACE})
    put(batch, "FormTypeCode", form)
    return batch


def _end(batch: Any) -> bytes:
    """Numbers every element that has parts, from 1 in reading order, and writes."""
    number = 0
    for element in batch.iterdescendants():
        if len(element):
            number += 1
            element.set("SeqNum", str(number))
    text: bytes = etree.tostring(batch, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text
