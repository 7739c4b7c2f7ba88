"""Settings of compliance: from the environment (`HOLDFAST_COMPLIANCE_…`). Each with its unit and bounds."""

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
