"""What the analyst is told: which model, how long, how much."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from compliance.results import Tier

PROMPT_VERSION: Final = "2026-11-21.1"
"""Changes with every change of what is sent."""

OPENAI_URL: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class AnalystConfig:
    """
    Which model is asked, and within which limits. Without a model no analyst is asked: rules alone.

    Prices are micro-USD for a million tokens; a budget of 0 is none at all: nothing is asked. Limits relate: a whole
    analysis takes at most `tries` times `timeout_s` and the pauses between them.
    """

    model: str = ""
    base_url: str = ""  # "" is OpenAI's own
    api_key: str = field(default="", repr=False)  # a local endpoint may need none
    timeout_s: float = 10.0  # one try
    tries: int = 3
    pause_s: float = 0.5  # before the second try; doubles, with jitter
    pause_s_max: float = 5.0
    concurrency: int = 8  # analyses at once, of this process
    failures_max: int = 5  # one after the other, then the circuit opens
    open_s: float = 30.0  # how long it stays open before one request tries again
    tokens_day_max: int = 20_000_000
    micro_usd_day_max: int = 50_000_000
    micro_usd_per_million_in: int = 150_000
    micro_usd_per_million_out: int = 600_000
    tokens_out_max: int = 2_000
    tier_min: Tier = Tier.LOW  # reviews below it are left to the rules
    task: str = ""  # what is asked instead of our own task, to compare prompts
    struck_share_max: float = 0.34  # of all claims; above it the rules' own analysis stands

    def __post_init__(self) -> None:
        for name in ("timeout_s", "tries", "concurrency", "failures_max", "open_s", "tokens_out_max"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in (
            "pause_s",
            "pause_s_max",
            "tokens_day_max",
            "micro_usd_day_max",
            "micro_usd_per_million_in",
            "micro_usd_per_million_out",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0, not {getattr(self, name)}")
        if not 0 <= self.struck_share_max <= 1:
            raise ValueError(f"struck_share_max is a share from 0 to 1, not {self.struck_share_max}")

    @property
    def is_set(self) -> bool:
        """Whether there is a model to ask, and somewhere to ask it."""
        return bool(self.model and (self.api_key or self.base_url))

    @property
    def prompt_version(self) -> str:
        """What tells one prompt from another: ours by its number, another by its text."""
        if not self.task:
            return PROMPT_VERSION
        return f"{PROMPT_VERSION}+{hashlib.sha256(self.task.encode()).hexdigest()[:8]}"

    def cost_micro_usd(self, tokens_in: int, tokens_out: int) -> int:
        """What these tokens cost, rounded up."""
        millionths = tokens_in * self.micro_usd_per_million_in + tokens_out * self.micro_usd_per_million_out
        return -(-millionths // 1_000_000)
