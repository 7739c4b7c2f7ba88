"""Settings of compliance: from the environment (`HOLDFAST_COMPLIANCE_…`). Each with its unit and bounds."""

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from compliance.filings.content import Address
from compliance.roles import Role


class OfficeSettings(BaseSettings):
    """What the compliance worker, its service and its commands are told."""

    model_config = SettingsConfigDict(env_prefix="HOLDFAST_COMPLIANCE_", extra="ignore", frozen=True)

    # Who may do what.
    people: dict[str, Role] = Field(
        default_factory=dict,
        description='names and roles, as JSON: {"alice": "analyst", "bob": "officer"}; roles are viewer, analyst, officer, admin',
    )
    user: str = Field(default="", description="who acts on the command line; else the user of this machine")

    # Filings: what the bank says of itself, and who transmits for it. What is not set is named before anything is filed.
    timezone: str = Field(
        default="America/New_York", description="where business days are counted, such as America/New_York"
    )
    filer_name: str = Field(default="", description="the bank's legal name")
    filer_ein: str = Field(default="", description="the bank's EIN: nine digits")
    filer_rssd: str = Field(default="", description="the bank's RSSD number, where it has one")
    filer_regulator: str = Field(default="", description="federal_reserve, fdic, ncua or occ")
    filer_street: str = Field(default="", description="of the bank")
    filer_city: str = Field(default="", description="of the bank")
    filer_state: str = Field(default="", description="of the bank: two letters")
    filer_postal_code: str = Field(default="", description="of the bank: five or nine digits")
    filer_country: str = Field(default="US", description="of the bank: ISO 3166-1 alpha-2")
    filer_contact_office: str = Field(default="", description="the office that answers questions on filings")
    filer_contact_phone: str = Field(default="", description="its telephone: ten digits")
    filer_contact_email: str = Field(default="", description="its e-mail address, for reports to OFAC")
    filer_branches: dict[str, Address] = Field(
        default_factory=dict,
        description='branches by the code that transfers carry, as JSON: {"north": {"street": "12 North Street", '
        '"city": "Springfield", "state": "IL", "postal_code": "62702", "country": "US"}}',
    )
    transmitter_code: str = Field(default="", description="the TCC: P and seven characters")
    transmitter_contact: str = Field(default="", description="who answers for the transmission")
    transmitter_name: str = Field(default="", description="who transmits; else the filer")
    transmitter_tin: str = Field(default="", description="the transmitter's; else the filer's")
    transmitter_phone: str = Field(default="", description="the transmitter's; else the contact office's")
    transmitter_street: str = Field(
        default="", description="the transmitter's address; without it all of it is the filer's"
    )
    transmitter_city: str = Field(default="", description="of the transmitter")
    transmitter_state: str = Field(default="", description="of the transmitter")
    transmitter_postal_code: str = Field(default="", description="of the transmitter")
    transmitter_country: str = Field(default="US", description="of the transmitter")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name!r} is no time zone: use one such as America/New_York") from error
        return name

    # Audit log and retention.
    checkpoints: Path | None = Field(
        default=None,
        description="folder of the second place of audit checkpoints, best on another disk or host; else checkpoints in HOLDFAST_HOME",
    )
    checkpoint_rows: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="audit rows after which a checkpoint is signed at once",
    )
    checkpoint_s: float = Field(
        default=60.0,
        ge=1.0,
        le=86_400.0,
        description="seconds after which a checkpoint is signed where there are new rows",
    )
    summary_s: float = Field(
        default=300.0, ge=1.0, le=86_400.0, description="seconds between two refreshes of the daily summary"
    )
    retention_hours: float = Field(
        default=24.0, ge=1.0, le=720.0, description="hours between two deletions of what is too old"
    )
    transactions_days: int = Field(
        default=2_555,
        ge=1_825,
        le=36_500,
        description="days that transactions are kept; five years is the law's least (31 CFR 1010.430)",
    )
    analyses_days: int = Field(
        default=2_555,
        ge=1_825,
        le=36_500,
        description="days that reviews, cases and filings are kept after they are over",
    )
    audit_days: int = Field(default=3_650, ge=1_825, le=36_500, description="days that the audit log is kept")
    temporary_analyses_hours: int = Field(
        default=24,
        ge=1,
        le=8_760,
        description="hours that analyses of transfers which nothing flagged are kept",
    )
