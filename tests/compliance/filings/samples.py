"""A bank, people and reports as tests file them, and where FinCEN's schemas are."""

from datetime import date
from pathlib import Path

import pytest

from compliance.filings.bank import Bank
from compliance.filings.content import (
    Address,
    BlockedProperty,
    CashPerson,
    CashRole,
    Ctr,
    Document,
    Person,
    Sar,
    Subject,
)

FINCEN = Path(__file__).parents[4] / "shared/data/fincen"
HOME = Address("1 Mill Lane", "Springfield", "IL", "62701", "US")
BRANCHES = {
    "north": Address("12 North Street", "Springfield", "IL", "62702", "US"),
    "west": Address("3 West Street", "Springfield", "IL", "62704", "US"),
    "south": Address("9 South Street", "Chicago", "IL", "60601", "US"),
}
BANK = Bank(
    name="First Bank of Springfield",
    ein="371234567",
    rssd="1234567",
    regulator="fdic",
    address=Address("100 Bank Plaza", "Springfield", "IL", "62701", "US"),
    contact_office="BSA Compliance Office",
    contact_phone="2175550100",
    contact_email="bsa@firstbank.example",
    transmitter_name="First Bank of Springfield",
    transmitter_tin="371234567",
    transmitter_code="PBSA1234",
    transmitter_contact="Jane Filer",
    transmitter_phone="2175550101",
    transmitter_address=Address("100 Bank Plaza", "Springfield", "IL", "62701", "US"),
    branches=BRANCHES,
)
ADA = Person(
    last_name="Byron",
    first_name="Ada",
    birth_date=date(1985, 12, 10),
    tin="912345678",
    address=HOME,
    phone="2175550123",
    occupation="Mathematician",
    industry="541715",
    document=Document("passport", "P1234567", "US"),
    customer_number=17,
)
STRANGER = Person(last_name="Babbage", first_name="Charles")
SAR = Sar(
    subjects=(Subject(ADA, ("000123456789",)),),
    classes=(114, 812),
    instruments=(39, 46),
    amount_minor=2_850_050,
    first_day=date(2026, 1, 5),
    last_day=date(2026, 1, 9),
    narrative="Who: the customer. What: four cash deposits. Why: each stayed under the limit.",
    branches=("north", "south"),
)
CTR = Ctr(
    day=date(2026, 1, 5),
    persons=(
        CashPerson(STRANGER, CashRole.CONDUCTOR, in_minor=600_000),
        CashPerson(ADA, CashRole.BEHALF, 1_200_050, 0, ("000123456789",), (), is_many=True),
    ),
    in_minor=1_200_050,
    out_minor=0,
    is_aggregated=True,
    branches=("north",),
)
BLOCKED = BlockedProperty(
    owner=ADA,
    day=date(2026, 1, 5),
    property="funds of an outgoing wire, held",
    value_minor=2_000_000,
    target="ofac_sdn entry 36: AEROCARIBBEAN AIRLINES, Havana, CU",
    authority="programme CUBA",
    accounts=("000123456789",),
)


def schema_path(form):
    """FinCEN's schema of a form; the test is skipped where the shared data is absent."""
    path = FINCEN / f"EFL_{form}XBatchSchema.xsd"
    if not path.exists():
        pytest.skip(f"{path} is not there: FinCEN's schemas are part of the shared data")
    return path
