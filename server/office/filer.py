"""The bank that files, as the settings describe it."""

from compliance.filings.bank import Bank
from compliance.filings.content import Address
from server.office.settings import OfficeSettings


def bank_of(settings: OfficeSettings) -> Bank:
    """The bank; who transmits is the bank itself where nobody else is set."""
    address = Address(
        settings.filer_street,
        settings.filer_city,
        settings.filer_state,
        settings.filer_postal_code,
        settings.filer_country,
    )
    transmitter = Address(
        settings.transmitter_street,
        settings.transmitter_city,
        settings.transmitter_state,
        settings.transmitter_postal_code,
        settings.transmitter_country,
    )
    return Bank(
        name=settings.filer_name,
        ein=settings.filer_ein,
        rssd=settings.filer_rssd,
        regulator=settings.filer_regulator,
        address=address,
        contact_office=settings.filer_contact_office,
        contact_phone=settings.filer_contact_phone,
        contact_email=settings.filer_contact_email,
        transmitter_name=settings.transmitter_name or settings.filer_name,
        transmitter_tin=settings.transmitter_tin or settings.filer_ein,
        transmitter_code=settings.transmitter_code,
        transmitter_contact=settings.transmitter_contact,
        transmitter_phone=settings.transmitter_phone or settings.filer_contact_phone,
        transmitter_address=transmitter if settings.transmitter_street else address,
        branches=settings.filer_branches,
    )
