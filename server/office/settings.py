"""Settings of compliance: from the environment (`HOLDFAST_COMPLIANCE_…`). Each with its unit and bounds."""

from pathlib import Path
from typing import Any
from unicodedata import normalize
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from compliance.analyst.config import AnalystConfig
from compliance.filings.content import Address
from compliance.policies.embedding import EmbedConfig
from compliance.results import Tier
from compliance.roles import WORKER, Role
from compliance.screening.entries import Thresholds


class OfficeSettings(BaseSettings):
    """What the compliance worker, its service and its commands are told."""

    model_config = SettingsConfigDict(env_prefix="HOLDFAST_COMPLIANCE_", extra="ignore", frozen=True)

    # Who may do what.
    people: dict[str, Role] = Field(
        default_factory=dict,
        description='names and roles, as JSON: {"alice": "analyst", "bob": "officer"}; roles are viewer, analyst, officer, admin',
    )
    user: str = Field(default="", description="who acts on the command line; else the user of this machine")

    # ComplianceService, and who may come through its door.
    tls_certificate: Path | None = Field(default=None, description="PEM file of our certificate")
    tls_key: Path | None = Field(default=None, description="PEM file of its private key")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of the authority whose clients' certificates are believed"
    )
    local_role: Role = Field(
        default=Role.VIEWER,
        description="role of callers on this machine where there is no TLS; their name is local",
    )
    message_bytes_max: int = Field(
        default=1 << 22, ge=1 << 22, description="size of one gRPC message of its service"
    )

    # How long cases may take.
    sanctions_case_h: int = Field(
        default=4, ge=1, le=72, description="hours for a case in which a list was met"
    )
    high_case_h: int = Field(default=24, ge=1, le=240, description="hours for a HIGH case")
    medium_case_days: int = Field(default=3, ge=1, le=30, description="business days for a MEDIUM case")
    low_case_days: int = Field(default=10, ge=1, le=60, description="business days for a LOW case")

    # Review: the process, its worker, what it serves.
    host: str = Field(
        default="127.0.0.1",
        description="address to serve gRPC and metrics on; beyond this machine only with TLS",
    )
    port: int = Field(default=50052, ge=0, le=65535, description="gRPC port; 0 takes a free one")
    metrics_port: int = Field(default=9465, ge=0, le=65535, description="Prometheus port; 0 for none")
    background: bool = Field(
        default=True, description="whether it only takes what the server leaves of the processors"
    )
    batch_max: int = Field(default=32, ge=1, le=1_000, description="reviews in one transaction")
    hands: int = Field(default=1, ge=1, le=16, description="batches under way at once")
    lease_s: float = Field(
        default=60.0, ge=2.0, description="after which a worker that is not heard of is taken for dead"
    )
    rest_ms: float = Field(default=40.0, ge=0.0, description="pause after each batch")
    policy: dict[str, Any] = Field(
        default_factory=dict,
        description='thresholds that differ from the defaults, as JSON: {"flag_over_usd_minor": 500000}',
    )

    # The analyst: which model is asked, and within which limits. Without a model, rules alone.
    model: str = Field(default="", description="name of the model to ask; without one, rules alone")
    model_base_url: str = Field(
        default="", description="base URL of an OpenAI-compatible endpoint; empty = OpenAI's own"
    )
    model_api_key: SecretStr = Field(
        default=SecretStr(""), description="its API key; a local one may need none"
    )
    model_timeout_s: float = Field(default=10.0, gt=0, description="one request to the model")
    model_concurrency: int = Field(default=8, ge=1, description="requests to the model at once")
    model_tier_min: Tier = Field(
        default=Tier.LOW, description="low, medium or high: below it rules' analysis stands"
    )
    tokens_day_max: int = Field(
        default=20_000_000, ge=0, description="budget of tokens a day; 0 asks nothing"
    )
    usd_day_max: float = Field(default=50.0, ge=0, description="budget of US dollars a day; 0 asks nothing")
    usd_per_million_in: float = Field(default=0.15, ge=0, description="price of a million tokens sent")
    usd_per_million_out: float = Field(default=0.60, ge=0, description="price of a million tokens received")

    # The policy library. Without any of these, search goes by full text alone.
    embedding_base_url: str = Field(
        default="", description="an OpenAI-compatible endpoint for embeddings, like http://127.0.0.1:11434/v1"
    )
    embedding_api_key: SecretStr = Field(
        default=SecretStr(""), description="its key; alone: OpenAI's own endpoint"
    )
    embedding_model: str = Field(
        default="text-embedding-3-small", description="the model asked for embeddings"
    )
    embedding_dimensions: int = Field(
        default=0, ge=0, le=4096, description="length of a vector; 0 is the model's own"
    )
    embedding_timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="how long an embedding may take, in seconds"
    )
    embedding_folder: str = Field(
        default="",
        description="a local model's folder (model2vec), instead of an endpoint; needs the extra embeddings",
    )

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

    # Screening.
    sanctions_hit_min: float = Field(
        default=0.84, ge=0.5, le=1, description="likeness from which a listed name is looked at"
    )
    sanctions_match_min: float = Field(
        default=0.95,
        ge=0.5,
        le=1,
        description="likeness from which a listed name blocks, where nothing contradicts",
    )
    counterparty_days: int = Field(
        default=90,
        ge=1,
        le=3_650,
        description="counterparties of so many days are screened again as lists change",
    )

    @field_validator("people")
    @classmethod
    def _told_apart(cls, people: dict[str, Role]) -> dict[str, Role]:
        """Two names of one person would be four eyes."""
        known = {WORKER.name: WORKER.name}
        for name in people:
            if name != name.strip() or not name or not name.isprintable():
                raise ValueError(f"{name!r} is no name: printable characters, none of them blank at an end")
            alike = "".join(normalize("NFKC", name).casefold().split())
            if alike in known:
                raise ValueError(f"{name!r} and {known[alike]!r} can't be told apart: leave one of them")
            known[alike] = name
        return people

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name!r} is no time zone: use one such as America/New_York") from error
        return name

    @property
    def thresholds(self) -> Thresholds:
        """As screening takes them."""
        return Thresholds(self.sanctions_hit_min, self.sanctions_match_min)

    @property
    def analyst(self) -> AnalystConfig:
        """As the analyst takes it."""
        return AnalystConfig(
            model=self.model,
            base_url=self.model_base_url,
            api_key=self.model_api_key.get_secret_value(),
            timeout_s=self.model_timeout_s,
            concurrency=self.model_concurrency,
            tier_min=self.model_tier_min,
            tokens_day_max=self.tokens_day_max,
            micro_usd_day_max=round(self.usd_day_max * 1_000_000),
            micro_usd_per_million_in=round(self.usd_per_million_in * 1_000_000),
            micro_usd_per_million_out=round(self.usd_per_million_out * 1_000_000),
        )

    @property
    def embedding(self) -> EmbedConfig:
        """Where embeddings come from."""
        return EmbedConfig(
            base_url=self.embedding_base_url,
            api_key=self.embedding_api_key.get_secret_value(),
            model=self.embedding_model,
            dimensions=self.embedding_dimensions,
            timeout_s=self.embedding_timeout_s,
            folder=self.embedding_folder,
        )
