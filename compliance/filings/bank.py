"""What only the bank itself can say of itself: the filer and who transmits for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from compliance.filings.content import Address


@dataclass(frozen=True, slots=True)
class Bank:
    """The filing institution, its contact, and the transmitter of its batches. What is not set is empty."""

    name: str = ""
    ein: str = ""  # nine digits
    rssd: str = ""  # number at the Federal Reserve; may stay empty
    regulator: str = ""  # a key of codes.REGULATORS
    address: Address = field(default_factory=lambda: Address(country="US"))
    contact_office: str = ""
    contact_phone: str = ""  # ten digits
    contact_email: str = ""  # for OFAC
    transmitter_name: str = ""
    transmitter_tin: str = ""  # nine digits
    transmitter_code: str = ""  # TCC: P and seven characters
    transmitter_contact: str = ""
    transmitter_phone: str = ""  # ten digits
    transmitter_address: Address = field(default_factory=lambda: Address(country="US"))
    branches: Mapping[str, Address] = field(default_factory=dict)  # by the code that transfers carry
