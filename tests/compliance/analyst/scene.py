"""A dossier with somebody in it, as the analyst's tests need it; every name and number in it is a canary."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from compliance.facts import (
    Customer,
    Direction,
    Dossier,
    Flag,
    Kind,
    Movement,
    Party,
    PartyRole,
    Source,
    Subject,
    Usual,
)
from compliance.results import Hit, Passage
from compliance.rules.assess import assess
from compliance.rules.countries import CountryTable
from compliance.rules.policy import RulesPolicy

AT = datetime(2026, 11, 19, 15, 0, tzinfo=UTC)
NAME = "Zebulon Quartermaine"
OTHER = "Oyelaran Brightwater Trading LLC"
BANK = "Kestrelmoor Savings Bank"
CONDUCTOR = "Philippa Nightshade"
ADDRESS = "17 Larkspur Crescent, Tonbridge"
IBAN = "GB29NWBK60161331926819"
PAN = "4556737586899855"
SSN = "517-88-4392"
ACCOUNT = 70_311_442
OTHER_ACCOUNT = 90_215_777
BRANCH = "Gildersleeve Street"
BIRTH = date(1961, 7, 23)
PURPOSE = f"consulting invoice from z e b u l o n QUARTERMAINE, card {PAN}, SSN {SSN}, for Ottoline Vane"

CANARIES = (
    *("zebulon", "quartermaine", "oyelaran", "brightwater", "kestrelmoor", "philippa", "nightshade"),
    *("larkspur", "tonbridge", IBAN.lower(), "60161331926819", PAN, "517-88-4392", "517884392", "70311442"),
    *("90215777", "gildersleeve", "1961-07-23", "ottoline", "vane", "4556", "4392"),
)
"""What must stand in nothing that is sent, in lower case."""


def movement(number, days, kind, usd_minor, direction=Direction.IN, **given):
    """A movement of the customer, `days` before the subject."""
    fields = dict(
        id=UUID(int=number),
        at=AT - timedelta(days=days),
        kind=kind,
        direction=direction,
        usd_minor=usd_minor,
        customer_number=17,
        account_number=ACCOUNT,
        other="",
    )
    return Movement(**{**fields, **given})


def dossier_of(kind=Kind.WIRE, amount_minor=6_250_000, purpose=PURPOSE, **given):
    """A wire of 62,500.00 USD after three cash deposits under the limit."""
    history = (
        movement(1, 6, Kind.CASH_DEPOSIT, 940_000, branch=BRANCH),
        movement(2, 5, Kind.CASH_DEPOSIT, 955_000, branch=BRANCH, conductor="party:" + "ab" * 16),
        movement(3, 4, Kind.CASH_DEPOSIT, 970_000, branch="Airport"),
        movement(
            9,
            0,
            kind,
            amount_minor,
            Direction.OUT,
            other=f"account:{OTHER_ACCOUNT}",
            country="AE",
        ),
    )
    subject = dict(
        id=UUID(int=100),
        source=Source.TRANSFER,
        source_id=UUID(int=9),
        at=AT,
        kind=kind,
        direction=Direction.OUT,
        amount_minor=amount_minor,
        currency="USD",
        usd_minor=amount_minor,
        account_number=ACCOUNT,
        customer_number=17,
        country="AE",
        parties=(
            Party(PartyRole.CUSTOMER, NAME, "US", BIRTH, ADDRESS, account=str(ACCOUNT)),
            Party(PartyRole.COUNTERPARTY, OTHER, "AE", address=ADDRESS, account=IBAN),
            Party(PartyRole.BANK, BANK, "AE", bank_id="KESTAEADXXX"),
            Party(PartyRole.CONDUCTOR, CONDUCTOR, "US"),
        ),
        purpose=purpose,
        flags=(Flag.AMOUNT, Flag.KIND, Flag.CROSS_BORDER),
        state="pending_review",
        holder_address=ADDRESS,
    )
    customer = Customer(
        number=17,
        name=NAME,
        birth_date=BIRTH,
        country="US",
        industry="541611",
        risk_rating="medium",
        kyc_state="verified",
        politically_exposed=False,
        compliance_block=False,
        since=datetime(2021, 3, 1, tzinfo=UTC),
        accounts=(ACCOUNT,),
    )
    usual = Usual(12.0, 410_000, 955_000, 48, AT - timedelta(days=4), ("US",), 9_115_000)
    return Dossier(Subject(**{**subject, **given}), customer, history, (), (), usual, AT)


def assessed(dossier, hits=()):
    """As the rules see it."""
    return assess(dossier, hits, RulesPolicy(), CountryTable())


HIT = Hit(
    PartyRole.COUNTERPARTY,
    "ofac_sdn",
    "30412",
    "OYELARAN TRADING",
    "OYELARAN BRIGHTWATER",
    "SDGT",
    0.91,
    False,
    (),
    (),
    "2026-11-01",
)

PASSAGES = tuple(
    Passage(f"P{number}", citation, title, text, "31 CFR Chapter X", date(2025, 1, 1), "US", mandatory=True)
    for number, (citation, title, text) in enumerate(
        (
            (
                "31 CFR 1020.320",
                "Reports by banks of suspicious transactions",
                "Every bank shall file a report of any suspicious transaction of at least $5,000 within 30 days.",
            ),
            (
                "31 CFR 1010.314",
                "Structured transactions",
                "No person shall structure any transaction to evade the reporting requirement of $10,000.",
            ),
            (
                "31 CFR 1010.410",
                "Records to be made and retained",
                "Transmittals of funds of $3,000 or more: the travel rule's fields are kept and sent.",
            ),
            (
                "31 CFR 1010.610",
                "Due diligence programs",
                "Enhanced due diligence where a customer is a senior foreign political figure.",
            ),
        ),
        1,
    )
)
