"""Settings of compliance: from the environment (`HOLDFAST_COMPLIANCE_…`). Each with its unit and bounds."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

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

    # ComplianceService, and who may come through its door.
    host: str = Field(
        default="127.0.0.1",
        description="address to serve ComplianceService on; beyond this machine only with TLS",
    )
    port: int = Field(default=50052, ge=0, le=65535, description="its gRPC port; 0 takes a free one")
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
        default=1 << 20, ge=1 << 20, description="size of one of its gRPC messages"
    )

    # How long cases may take.
    sanctions_case_h: int = Field(
        default=4, ge=1, le=72, description="hours for a case in which a list was met"
    )
    high_case_h: int = Field(default=24, ge=1, le=240, description="hours for a HIGH case")
    medium_case_days: int = Field(default=3, ge=1, le=30, description="business days for a MEDIUM case")
    low_case_days: int = Field(default=10, ge=1, le=60, description="business days for a LOW case")
