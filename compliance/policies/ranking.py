"""A question's words, and what means the same in the field; several rankings as one. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from compliance.policies.edition import DocumentKind

QUESTION_CHARS_MAX: Final = 1000
CANDIDATES: Final = 60
PER_SECTION_MAX: Final = 2
COMMENTARY_SHARE: Final = 0.4
"""Of an answer: manuals and interpretations tell much of what the law says in few words, and would crowd it out."""

RANK_FROM: Final = 61
"""What a reciprocal rank begins at (Cormack, Clarke and Büttcher, SIGIR 2009)."""

_LATER_SHARE: Final = 0.6  # of rankings after the first: the words that law is written in weigh more

_SAME: Final[Mapping[str, str]] = {
    r"ctrs?|form 112|currency transaction reports?": "currency transaction report, reports of transactions in currency, filing obligations",
    r"sars?|form 111|suspicious activit(?:y|ies)": "suspicious activity report, reports of suspicious transactions",
    r"bsa|bank secrecy act": "bank secrecy act",
    r"aml": "anti-money laundering program",
    r"cip": "customer identification program",
    r"cdd": "customer due diligence, beneficial ownership",
    r"edd": "enhanced due diligence",
    r"kyc|know your customer": "customer identification program, customer due diligence, verify identity",
    r"ubo|beneficial owners?": "beneficial ownership, legal entity customers",
    r"peps?|politically exposed": "senior foreign political figure, private banking",
    r"ofac|sdn|sanctions?": "Office of Foreign Assets Control, blocked property, blocked persons, sanctions",
    r"freez\w*|frozen|block(?:ed|ing)": "blocked property",
    r"fbar": "reports of foreign financial accounts",
    r"cmir": "transportation of currency or monetary instruments",
    r"msbs?": "money services business",
    r"fincen": "Financial Crimes Enforcement Network",
    r"travel rule": "transmittal of funds, transmittal order, transmittor, recipient, payment orders, 1010.410",
    r"wires?|wire transfers?": "funds transfer, transmittal of funds, payment order",
    r"smurf\w*|structur\w+|split\w*": "structure, structured transactions, evading the reporting requirements",
    r"314\(?a\)?": "information sharing between government agencies and financial institutions",
    r"314\(?b\)?": "voluntary information sharing among financial institutions",
    r"tip\w* off|confidential\w*|disclos\w+ (?:that )?(?:a|the) (?:sar|report)": "confidentiality of reports, notify any person involved",
    r"cash": "currency, reports of transactions in currency, filing obligations",
    r"keep|kept|retain\w*|retention|how long": "retained, retention period, five years, records",
    r"deadline|due|by when|how soon|when must|how many days|how long": "filed, no later than, within, days following",
    r"threshold|limit|minimum amount": "more than, exceeds, in excess of",
    r"aggregat\w+|add up|same day|several|multiple": "aggregation, multiple transactions, treated as a single transaction",
    r"eft|reg(?:ulation)? e": "electronic fund transfer, Regulation E",
    r"lost|stolen|theft": "unauthorized electronic fund transfer, loss or theft, access device, liability",
    r"fraud\w*|unauthori[sz]ed": "unauthorized electronic fund transfer",
    r"liab\w+": "liability of consumer, unauthorized transfers",
    r"disputes?|errors?|provisional\w*": "error resolution, procedures for resolving errors, provisionally credit, investigation",
    r"shell banks?": "foreign shell banks, correspondent accounts, prohibition",
    r"correspondent": "correspondent accounts, foreign financial institutions",
    r"penalt\w+|fines?|punish\w*": "civil penalty, criminal penalties",
    r"exempt\w*": "exempt persons, exemptions",
    r"remittances?": "remittance transfer",
    r"cashier'?s checks?|money orders?|traveler'?s checks?": "purchases of bank checks and drafts, monetary instruments",
    r"what (?:is|are) (?!the |our |my )|who (?:is|are) (?!the )|defin\w+|meaning|means?": "definitions, means",
    r"safe harbor|sued?|lawsuits?|immun\w+|protected": "limitation on liability, liability for disclosures, protected from liability",
    r"gto|geographic targeting": "reports of certain domestic transactions, order",
    r"purposes?|goals?|why": "declaration of purpose, purpose of this subchapter",
    r"whistleblow\w*|rewards?": "whistleblower incentives and protections, award",
    r"originators?|senders?|payers?": "transmittor, originator",
    r"beneficiary|payees?": "recipient, beneficiary",
    r"new (?:customers?|accounts?|clients?)|open\w* (?:an? )?(?:new )?accounts?|onboard\w*": "customer identification program, "
    "identity verification procedures, customer information required, opening an account",
    r"ids?|identity documents?|identif\w+|passports?|driver'?s licen[cs]es?": "identification required, verify and record, identity",
    r"in a row|days running|just (?:under|below)|stay\w* (?:under|below)|\$?(?:8|9),?\d{3}(?:\.\d\d)?": "structured transactions, "
    "evading the reporting requirements, currency, breaking down of a single sum, at or below 10000",
    r"(?:cash|currency)\b.*\b(?:threshold|how much|minimum|limit|dollar)\w*|(?:threshold|how much|minimum|limit|dollar)\b.*\b(?:cash|currency)": "filing "
    "obligations, reports of transactions in currency, 10000, 1010.311",
    r"(?:sars?|suspicious)\b.*\b(?:threshold|how much|minimum|limit|dollar)\w*|(?:threshold|how much|minimum|limit|dollar)\b.*\b(?:sars?|suspicious)": "reports "
    "by banks of suspicious transactions, involves or aggregates at least 5000, 1020.320",
    r"rejected": "reports of rejected transactions",
    r"aml program\w*|compliance program\w*": "anti-money laundering program requirements, internal controls, independent testing, training",
}
_IDLE: Final = re.compile(
    r"(?<!\w)(?:must|may|might|shall|need|want|somebody|someone|anybody|anyone|lots?|many|much|happens?|takes?|took|goes|gets?|got|"
    r"make|makes|made|let|us|one|way|allowed|ok|okay|please|illegal|required to|"
    r"bsa|bank secrecy act)(?!\w)",
    re.IGNORECASE,
)
"""Words of a question that tell nothing of what it is about, beside those that PostgreSQL leaves out: all of this is of the BSA."""

_SAME_AS: Final = [
    (re.compile(rf"(?<!\w)(?:{asked})(?!\w)", re.IGNORECASE), also) for asked, also in _SAME.items()
]
_GROUPED: Final = re.compile(r"(?<=\d),(?=\d)")

_OTHERS: Final = (  # 31 CFR parts for institutions that a bank is not, unless the question names them
    (r"31 CFR 1021\.", r"casino|card club|gambl"),
    (r"31 CFR 1022\.", r"money (?:services|transmitt)|\bmsb|prepaid|check cash|currency dealer"),
    (r"31 CFR 1023\.", r"broker|securities"),
    (r"31 CFR 1024\.", r"mutual fund"),
    (r"31 CFR 1025\.", r"insur"),
    (r"31 CFR 1026\.", r"futures|commodit"),
    (r"31 CFR 1027\.", r"metal|stone|jewel|gold"),
    (r"31 CFR 1028\.", r"credit card"),
    (r"31 CFR 1029\.", r"loan|mortgage"),
    (r"31 CFR 1030\.", r"housing"),
    (r"31 CFR 1060\.", r"iran"),
    (r"31 CFR 501\.7", r"penalt|hearing|judge|appeal|respondent|settle|subpoena|licen"),
    (r"31 CFR 1010\.6[56]", r"special measure|311|burma|syria|korea|iran|dandong|fbme|bitzlato"),
)
_OTHER_PARTS: Final = [(re.compile(where), re.compile(named, re.IGNORECASE)) for where, named in _OTHERS]
_OTHER_SHARE: Final = 0.6
_CITED_SHARE: Final = 2.0
_NAMED_SHARE: Final = 1.5
_CITED: Final = re.compile(r"\b\d{3,4}\.\d+\b")


COMMENTARY: Final = frozenset({DocumentKind.MANUAL, DocumentKind.INTERPRETATION, DocumentKind.GUIDANCE})
_ASIDE_SHARE: Final = 0.8
_ASIDE: Final = ""  # no section is called so


class Found(NamedTuple):
    """A passage that a ranking found."""

    number: int
    section: str
    title: str
    kind: str
    score: float


def words(question: str) -> tuple[str, str]:
    """What is asked for, bounded and fit for PostgreSQL; and what means the same, to count less."""
    clean = question.encode("utf-8", "replace").decode().replace("\x00", " ")
    asked = _GROUPED.sub("", " ".join(clean.split())[:QUESTION_CHARS_MAX])
    return _IDLE.sub(" ", asked), "; ".join(also for pattern, also in _SAME_AS if pattern.search(asked))


def weighed(question: str, found: Iterable[Found]) -> list[Found]:
    """
    By score, best first, after what is known of the books: what isn't law, and rules for other institutions, count less.

    A section that the question cites counts double, a paragraph whose own heading stands in the question half more.
    """
    asked = question.lower()
    cited = set(_CITED.findall(question))
    elsewhere = [where for where, named in _OTHER_PARTS if not named.search(question)]

    def weight(one: Found) -> float:
        aside = _ASIDE_SHARE if one.kind in COMMENTARY or "Appendix" in one.section else 1.0
        if cited & set(_CITED.findall(one.section)):
            return _CITED_SHARE * aside
        if any(where.match(one.section) for where in elsewhere):
            return _OTHER_SHARE * aside
        term = one.title.rpartition(". ")[2].lower()
        return _NAMED_SHARE * aside if len(term) > 3 and term in asked else aside

    scaled = [one._replace(score=one.score * weight(one)) for one in found]
    return sorted(scaled, key=lambda one: (-one.score, one.number))


def fused(rankings: Sequence[Sequence[Found]]) -> list[Found]:
    """Several rankings as one, by reciprocal rank, the first weighing most; one alone keeps its scores."""
    if len(rankings) == 1:
        return list(rankings[0])
    scores: dict[int, float] = defaultdict(float)
    known: dict[int, Found] = {}
    for place, ranking in enumerate(rankings):
        share = _LATER_SHARE if place else 1.0
        for rank, one in enumerate(ranking, start=RANK_FROM):
            scores[one.number] += share / rank
            known[one.number] = one
    merged = [known[number]._replace(score=score) for number, score in scores.items()]
    return sorted(merged, key=lambda one: (-one.score, one.number))


def spread(ranking: Iterable[Found], limit: int) -> list[Found]:
    """
    The first `limit`, in order; at most PER_SECTION_MAX of one section and COMMENTARY_SHARE of commentary.

    Where there is nothing else, the rest fills up.
    """
    taken: dict[str, int] = defaultdict(int)
    commentary_max = max(1, round(limit * COMMENTARY_SHARE))
    chosen: list[Found] = []
    rest: list[Found] = []
    for one in ranking:
        if taken[one.section] == PER_SECTION_MAX or (
            one.kind in COMMENTARY and taken[_ASIDE] == commentary_max
        ):
            rest.append(one)
        else:
            taken[one.section] += 1
            taken[_ASIDE] += one.kind in COMMENTARY
            chosen.append(one)
    kept = chosen[:limit] + rest[: max(0, limit - len(chosen))]
    return sorted(kept, key=lambda one: (-one.score, one.number))
