"""What FinCEN answers to a batch: accepted with BSA identifiers, refused with reasons."""

import re
from typing import Any, Final, NamedTuple

from compliance.filings.documents import DocumentError, parsed

ANSWERS_MAX: Final = 10_000
_TEXT_SIZE_MAX: Final = 500
_LAST_NUMBER: Final = re.compile(r"\[(\d{1,18})\](?=[^\[\]]*$)")


class Trouble(NamedTuple):
    """Something that FinCEN says of a report. Texts are theirs; they quote no value."""

    level: str  # WARN, or FATAL
    code: str  # such as C21
    element: str
    context: str  # from the batch down, with sequence numbers
    sequence_number: int  # of the innermost part of our batch that the context names, 0 = none
    text: str


class Answer(NamedTuple):
    """What became of one report, in the order of the batch."""

    bsa_id: str  # "" = refused
    troubles: tuple[Trouble, ...]


class Acknowledgement(NamedTuple):
    """An acknowledgement file."""

    is_accepted: bool  # the batch as a whole
    answers: tuple[Answer, ...]


def acknowledgement_of(data: bytes) -> Acknowledgement:
    """Reads an acknowledgement. Raises DocumentError saying what is wrong with it."""
    root = parsed(data)
    for element in root.iter("*"):
        element.tag = str(element.tag).rpartition("}")[2]
    if root.tag != "EFilingBatchXML" or root.get("StatusCode") not in {"A", "R"}:
        raise DocumentError(
            "is no acknowledgement: EFilingBatchXML must have StatusCode A or R", root.sourceline
        )
    activities = root.findall("EFilingSubmissionXML/EFilingActivityXML")
    if len(activities) > ANSWERS_MAX:
        raise DocumentError(f"answers {len(activities)} reports: at most {ANSWERS_MAX} are in a batch")
    is_accepted = root.get("StatusCode") == "A"
    return Acknowledgement(is_accepted, tuple(_answer(each, is_accepted=is_accepted) for each in activities))


def _answer(activity: Any, *, is_accepted: bool) -> Answer:
    bsa_id = _of(activity, "BSAID")
    if bsa_id and not (bsa_id.isascii() and bsa_id.isdigit() and len(bsa_id) <= 14):
        raise DocumentError("has a BSAID that is not up to 14 digits", activity.sourceline)
    troubles = tuple(_trouble(each) for each in activity.findall("EFilingActivityErrorXML") if len(each))
    return Answer(bsa_id if is_accepted else "", troubles)


def _trouble(element: Any) -> Trouble:
    context = _of(element, "ErrorContextText")
    found = _LAST_NUMBER.search(context)
    return Trouble(
        level=_of(element, "ErrorLevelText"),
        code=_of(element, "ErrorTypeCode"),
        element=_of(element, "ErrorElementNameText"),
        context=context,
        sequence_number=int(found[1]) if found else 0,
        text=_of(element, "ErrorText"),
    )


def _of(element: Any, name: str) -> str:
    return " ".join((element.findtext(name) or "").split())[:_TEXT_SIZE_MAX]
