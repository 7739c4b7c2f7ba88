"""Settings: from the environment (`HOLDFAST_…`), overridden by the command line. Each with its unit and bounds."""

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SOCKET: Final = "core.sock"
"""In the home: where fronts in processes of their own reach the core."""


HUNG_S_MIN: Final = 5.0


def cluster_of(ledger: str) -> tuple[int, list[str]] | None:
    """Id and addresses of the cluster that the setting `ledger` names; None for the embedded one. Raises ValueError."""
    if ledger == "embedded":
        return None
    found = re.fullmatch(r"tigerbeetle://(\d+)@([^,@/\s]+:\d+(?:,[^,@/\s]+:\d+)*)", ledger)
    if found is None or int(found[1]) >= 1 << 128:
        raise ValueError(
            f"{ledger!r} must be embedded, or tigerbeetle://CLUSTER@HOST:PORT,HOST:PORT with the cluster's id as a number"
        )
    return int(found[1]), found[2].split(",")


class Settings(BaseSettings):
    """What a server is told. Where limits relate to one another, the start checks it and names the setting."""

    model_config = SettingsConfigDict(env_prefix="HOLDFAST_", extra="ignore", frozen=True)

    home: Path = Field(
        Path("var"), description="folder of keys, ledger, journal, snapshots, embedded PostgreSQL"
    )
    database_url: str | None = Field(None, description="PostgreSQL; without it an embedded one in `home`")
    ship_within_s: float = Field(
        10.0,
        ge=0,
        le=30,
        description="for how many seconds at the most decisions wait on their way to PostgreSQL while answers want the processors; 0: they don't",
    )
    ledger: str = Field(
        "embedded",
        description="embedded, or tigerbeetle://CLUSTER@HOST:PORT,HOST:PORT for a cluster of TigerBeetle",
    )
    ledger_deadline_ms: int = Field(
        250,
        ge=10,
        description="how long one batch may wait for the ledger before others go on without it",
    )
    deadline_ms: int = Field(
        300, ge=30, le=60_000, description="within which a request is answered whose sender names no deadline"
    )
    deadline_ms_min: int = Field(
        50,
        ge=30,
        le=60_000,
        description="the shortest deadline a sender may name; a shorter one counts as this",
    )
    deadline_ms_max: int = Field(
        1_500, ge=30, le=60_000, description="the longest; a longer one counts as this"
    )
    queue_ms_max: int = Field(
        150,
        ge=1,
        description="how much time what waits may add to a turn; then more is refused",
    )
    host: str = Field("127.0.0.1", description="address to serve gRPC on")
    fronts: int = Field(
        0,
        ge=0,
        le=64,
        description="processes that speak gRPC before the one core; 0: the core's own does",
    )
    spare_core: bool = Field(
        True,
        description="behind fronts, whether a second core waits, everything loaded, to follow the first when that dies",
    )
    hung_s: float = Field(
        30.0,
        ge=0,
        description="behind fronts: for how many seconds, once ready, core or front may give no sign of life before another takes its place: 5 or more; 0: for ever",
    )
    away_code: Literal["91", "N0"] = Field(
        "91",
        description="what authorizations are answered (DE39) of which nothing can be decided in time: by the core, and by fronts while it is away",
    )
    front_kept_max: int = Field(
        65_536,
        ge=1_024,
        le=100_000,
        description="requests that one front may have answered itself before the core knows of them",
    )
    port: int = Field(50051, ge=0, le=65535, description="gRPC port; 0 takes a free one")
    metrics_host: str = Field(
        "127.0.0.1", description="address to serve metrics on: plain HTTP, numbers alone"
    )
    metrics_port: int = Field(9464, ge=0, le=65535, description="Prometheus port there; 0 for none")
    tls_certificate: Path | None = Field(
        None, description="PEM file of our certificate, with those between it and its authority"
    )
    tls_key: Path | None = Field(None, description="PEM file of its private key")
    tls_client_ca: Path | None = Field(
        None, description="PEM file of the authority whose clients' certificates are believed"
    )
    clients: Path | None = Field(
        None, description="TOML file of who may call and what each may do; needed with TLS"
    )
    insecure: bool = Field(
        False, description="whether to serve without TLS on an address that is heard beyond this machine"
    )
    reflection: bool | None = Field(
        None,
        description="whether grpcurl may ask for the contract; unset: only on this machine and without TLS",
    )
    traces_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of authorizations that are traced, to where OTEL_EXPORTER_OTLP_ENDPOINT says",
    )
    clock: Literal["service", "message"] = Field(
        "service",
        description="service: transmission times must lie near our clock; message: a replay's may be any",
    )
    model: Path | None = Field(
        None, description="folder of a model that decides whatever the register says; without it the champion"
    )
    floor_s: float = Field(
        600.0, ge=0, description="pause between judgements of the champion by fresh labels; 0 for none"
    )
    drift_psi_max: float = Field(
        0.25,
        gt=0,
        description="population stability index above which a feature, the score or approvals alarm",
    )
    cost_fraud_loss_share: float = Field(
        1.0, ge=0, le=1, description="training: share of a fraud's amount that is lost where it passes"
    )
    cost_chargeback_minor: int = Field(
        1_500, ge=0, description="training: what a fraud that passes costs besides, minor units"
    )
    cost_false_decline_minor: int = Field(
        2_000, ge=0, description="training: what declining a genuine payment costs, minor units"
    )
    cost_false_decline_share: float = Field(
        0.02, ge=0, le=1, description="training: and what share of its amount"
    )
    cost_step_up_minor: int = Field(
        500, ge=0, description="training: what asking a genuine cardholder to prove it costs, minor units"
    )
    cost_step_up_passed_share: float = Field(
        0.1, ge=0, le=1, description="training: share of fraud that proves itself all the same"
    )
    waiting_max: int = Field(16_384, ge=256, description="requests that may wait for the core")
    batch_max: int = Field(2_048, ge=1, le=4_096, description="requests in one turn of the core")
    turns_max: int = Field(1, ge=1, le=16, description="turns of the core that may overlap")
    link_in_flight_max: int = Field(
        4_096, ge=256, description="messages of one link that may wait for answers"
    )
    message_bytes_max: int = Field(1 << 20, ge=1 << 16, description="size of one gRPC message")
    drain_s: float = Field(10.0, gt=0, description="how long a stop waits for requests in flight")
    reconcile_s: float = Field(
        3_600.0,
        ge=0,
        description="pause between reconciliations of ledger, journal and PostgreSQL; 0 for none",
    )
    directory_file_s: float = Field(
        5.0, gt=0, description="how soon after a change the directory's file is renewed"
    )
    rate_age_max_h: int = Field(
        24,
        ge=1,
        le=720,
        description="hours for which an exchange rate is good after its day, on weekdays (UTC)",
    )
    fold_requests: int = Field(
        50_000,
        ge=0,
        description="requests after which the state's snapshot is renewed while serving; 0 for never",
    )
    journal_rows_min: int = Field(
        10_000, ge=1, description="newest journal rows that are kept here, also once PostgreSQL has them"
    )

    @classmethod
    def told(cls) -> Self:
        """What the environment says, and nobody else. Raises pydantic's ValidationError."""
        return cls()  # type: ignore[call-arg]  # every field has a default

    @field_validator("ledger")
    @classmethod
    def _ledger_is_known(cls, text: str) -> str:
        cluster_of(text)
        return text

    @field_validator("hung_s")
    @classmethod
    def _signs_of_life_come_in_time(cls, seconds: float) -> float:
        if 0 < seconds < HUNG_S_MIN:
            raise ValueError(f"signs of life come every second: 0, or {HUNG_S_MIN:g} and more")
        return seconds

    @model_validator(mode="after")
    def _limits_relate(self) -> Self:
        if self.deadline_ms_min > self.deadline_ms_max:
            raise ValueError(
                f"deadline_ms_min ({self.deadline_ms_min}) must not exceed deadline_ms_max ({self.deadline_ms_max})"
            )
        if self.batch_max > self.waiting_max:
            raise ValueError(f"batch_max ({self.batch_max}) must not exceed waiting_max ({self.waiting_max})")
        if self.link_in_flight_max > self.waiting_max:
            raise ValueError(
                f"link_in_flight_max ({self.link_in_flight_max}) must not exceed waiting_max ({self.waiting_max})"
            )
        return self
