"""
What the forms ask beyond their schemas, as FinCEN's user guides have it: each rule gives elements and what must be.

Small on purpose: rules that FinCEN refuses a batch for, or that would make a report of ours say something false.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from compliance.filings.parties import NAMESPACE

Told = Iterator[tuple[Any, str]]
_IN: Final = f"{{{NAMESPACE}}}"
CTR_LIMIT_USD: Final = 10_000
"""A currency report is of more (31 CFR 1010.311)."""


def _all(root: Any, path: str) -> list[Any]:
    return list(root.iterfind("/".join(_IN + name for name in path.split("/"))))


def _text(element: Any, name: str) -> str:
    return str(element.findtext(_IN + name) or "")


def _amount(element: Any, name: str) -> int:
    text = _text(element, name)
    return int(text) if text.isascii() and text.isdigit() else 0


def amounts_are_whole(root: Any) -> Told:
    """Amounts are whole dollars, digits only."""
    for element in root.iter(f"{_IN}*"):
        text = element.text or ""
        if str(element.tag).endswith("AmountText") and text and not (text.isascii() and text.isdigit()):
            yield element, "must be whole US dollars, digits only"


def counts_agree(root: Any) -> Told:
    """ActivityCount is the number of activities."""
    count = len(_all(root, "Activity"))
    if root.get("ActivityCount") != str(count):
        yield root, f"ActivityCount must be {count}, the number of Activity elements"


def sar_sums_agree(root: Any) -> Told:
    """TotalAmount is the sum of the suspicious amounts, PartyCount the number of subjects."""
    total = sum(
        _amount(each, "TotalSuspiciousAmountText") for each in _all(root, "Activity/SuspiciousActivity")
    )
    subjects = sum(_text(party, "ActivityPartyTypeCode") == "33" for party in _all(root, "Activity/Party"))
    yield from _expect(root, total, subjects, "the number of subjects (type 33)")


def ctr_sums_agree(root: Any) -> Told:
    """TotalAmount is the sum of the parts, PartyCount the number of parties; parts make up their totals."""
    parts = _all(root, "Activity/CurrencyTransactionActivity/CurrencyTransactionActivityDetail")
    total = sum(_amount(each, "DetailTransactionAmountText") for each in parts)
    yield from _expect(root, total, len(_all(root, "Activity/Party")), "the number of Party elements")
    for activity in _all(root, "Activity/CurrencyTransactionActivity"):
        cash_in = _amount(activity, "TotalCashInReceiveAmountText")
        cash_out = _amount(activity, "TotalCashOutAmountText")
        inner = _all(activity, "CurrencyTransactionActivityDetail")
        if sum(_amount(each, "DetailTransactionAmountText") for each in inner) != cash_in + cash_out:
            yield activity, "the parts must add up to the totals in and out"
        if max(cash_in, cash_out) <= CTR_LIMIT_USD:
            yield activity, f"cash in or cash out must be more than {CTR_LIMIT_USD:,} dollars"


def _expect(root: Any, total: int, parties: int, what: str) -> Told:
    try:
        is_total = float(root.get("TotalAmount")) == total
    except ValueError:
        is_total = False
    if not is_total:
        yield root, f"TotalAmount must be {total}, the sum of the amounts"
    if root.get("PartyCount") != str(parties):
        yield root, f"PartyCount must be {parties}, {what}"


def _parties(once: str, some: tuple[tuple[str, ...], ...]) -> Callable[[Any], Told]:
    def parties_are_there(root: Any) -> Told:
        for activity in _all(root, "Activity"):
            types = Counter(_text(party, "ActivityPartyTypeCode") for party in _all(activity, "Party"))
            for code in once.split():
                if types[code] != 1:
                    yield activity, f"must have one party of type {code}, has {types[code]}"
            for codes in some:
                if not any(types[code] for code in codes):
                    yield activity, f"must have a party of type {' or '.join(codes)}"
            if types["17"] and not types["23"]:
                yield activity, "who conducts for another (type 17) needs that other (type 23)"

    return parties_are_there


def sar_amount_is_said_once(root: Any) -> Told:
    """An amount, or that it is unknown, or that none was involved: one of the three."""
    names = ("TotalSuspiciousAmountText", "AmountUnknownIndicator", "NoAmountInvolvedIndicator")
    for activity in _all(root, "Activity/SuspiciousActivity"):
        if sum(bool(_text(activity, name)) for name in names) != 1:
            yield activity, f"must have exactly one of {', '.join(names)}"
        first = _text(activity, "SuspiciousActivityFromDateText")
        last = _text(activity, "SuspiciousActivityToDateText")
        if last and last < first:
            yield activity, "SuspiciousActivityToDateText must not be before SuspiciousActivityFromDateText"


def prior_reports_are_named(root: Any) -> Told:
    """A correction or a continuing report has the prior one's number; an initial one has none."""
    for activity in _all(root, "Activity"):
        association = activity.find(f"{_IN}ActivityAssociation")
        follows = _text(association, "CorrectsAmendsPriorReportIndicator") or _text(
            association, "ContinuingActivityReportIndicator"
        )
        has_prior = bool(_text(activity, "EFilingPriorDocumentNumber"))
        if bool(follows) != has_prior:
            yield (
                activity,
                "EFilingPriorDocumentNumber must be there for a correction or a continuing report only",
            )


def narrative_is_there(root: Any) -> Told:
    """A SAR tells a story, in blocks from 1 on."""
    for activity in _all(root, "Activity"):
        found = _all(activity, "ActivityNarrativeInformation")
        numbers = [_text(each, "ActivityNarrativeSequenceNumber") for each in found]
        if numbers != [str(place) for place in range(1, len(found) + 1)]:
            yield activity, "narrative blocks must be numbered from 1 on, in order"
        if not any(_text(each, "ActivityNarrativeText").strip() for each in found):
            yield activity, "ActivityNarrativeText must not be empty"


RULES: Final[dict[str, tuple[Callable[[Any], Told], ...]]] = {
    "SARX": (
        amounts_are_whole,
        counts_agree,
        sar_sums_agree,
        _parties("35 37 30 8", (("34",), ("33",))),
        sar_amount_is_said_once,
        prior_reports_are_named,
        narrative_is_there,
    ),
    "CTRX": (
        amounts_are_whole,
        counts_agree,
        ctr_sums_agree,
        _parties("35 37 30 8", (("34",), ("50", "17", "23"))),
        prior_reports_are_named,
    ),
}
