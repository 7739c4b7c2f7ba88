"""Settings of compliance: from the environment (`HOLDFAST_COMPLIANCE_…`). Each with its unit and bounds."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from compliance.policies.embedding import EmbedConfig
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
