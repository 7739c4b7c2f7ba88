"""Settings of compliance: from the environment (`HOLDFAST_COMPLIANCE_…`). Each with its unit and bounds."""

from typing import Any

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

    # Review: the process, its worker, what it serves.
    host: str = Field(default="127.0.0.1", description="address to serve gRPC and metrics on")
    port: int = Field(default=50052, ge=0, le=65535, description="gRPC port; 0 takes a free one")
    metrics_port: int = Field(default=9465, ge=0, le=65535, description="Prometheus port; 0 for none")
    nice: int = Field(default=10, ge=0, le=19, description="how much the worker gives way to the server")
    batch_max: int = Field(default=64, ge=1, le=1_000, description="reviews in one transaction")
    hands: int = Field(default=2, ge=1, le=16, description="batches under way at once")
    lease_s: float = Field(
        default=60.0, ge=2.0, description="after which a worker that is not heard of is taken for dead"
    )
    rest_ms: float = Field(default=0.0, ge=0.0, description="pause after each batch")
    timezone: str = Field(
        default="America/New_York", description="the bank's: by it a business day begins and ends"
    )
    policy: dict[str, Any] = Field(
        default_factory=dict,
        description='thresholds that differ from the defaults, as JSON: {"flag_over_usd_minor": 500000}',
    )
