"""The analyst: a model asked about a dossier, its every claim checked; the rules' own analysis where that can't be."""

import asyncio
import dataclasses
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from compliance.analyst.aliases import Aliases
from compliance.analyst.answer import SCHEMA, ShapeError, parse
from compliance.analyst.breaker import Breaker, BreakerState
from compliance.analyst.by_rules import from_rules
from compliance.analyst.checking import checked, fallen_back
from compliance.analyst.config import AnalystConfig
from compliance.analyst.prompt import PASSAGES_MAX, TASK, Prompt, prompt_of
from compliance.analyst.purse import Kept, Purse, Reserved
from compliance.analyst.retries import pause_s
from compliance.facts import Dossier
from compliance.results import Analysis, Assessment, Hit, Passage, Tier

if TYPE_CHECKING:
    from compliance.analyst.asking import AskError, Model, Reply

_TIERS: Final = (Tier.LOW, Tier.MEDIUM, Tier.HIGH)
_BYTES_A_TOKEN: Final = 3  # fewer than any text has: a reservation is never too small


@dataclass(slots=True)
class Tally:
    """What came of the analyses of this process, for metrics."""

    by_origin: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)  # by a short reason
    calls: Counter[str] = field(default_factory=Counter)  # by outcome: answered, or a Failure
    cached: int = 0
    struck: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_micro_usd: int = 0


class _NoAnswer(Exception):  # noqa: N818 - what happened, told in `reason` for metrics and in its text for people
    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Analyst:
    """Asks within its limits; one for a process. Its budget and its kept answers are shared by all processes."""

    def __init__(
        self,
        database: Any,
        config: AnalystConfig,
        now: Callable[[], datetime],
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = Tally()
        self._config = config
        self._now = now
        self._seconds = seconds
        self._purse = Purse(database, config.tokens_day_max, config.micro_usd_day_max)
        self._breaker = Breaker(config.failures_max, config.open_s)
        self._places = asyncio.Semaphore(config.concurrency)
        self._model: Model | None = None
        if config.is_set:
            from compliance.analyst import asking  # the SDK takes half a second to load

            self._model = asking.Model(config)

    @property
    def is_set(self) -> bool:
        """Whether a model is asked at all; without one, rules alone."""
        return self._model is not None

    @property
    def breaker_state(self) -> BreakerState:
        """Whether requests go through to the provider."""
        return self._breaker.state

    async def analyse(
        self,
        dossier: Dossier,
        assessment: Assessment,
        hits: Sequence[Hit],
        passages: Sequence[Passage],
        *,
        force: bool = False,
    ) -> Analysis:
        """
        An analysis. Never raises for what the provider does; `force` asks again where an answer is kept.

        Origin MODEL: the answer stood; RULES: no model is asked about this; FALLBACK: one was, and `note` says why the
        rules' own analysis stands instead.
        """
        by_rules = from_rules(dossier, assessment, hits, passages)
        if self._model is None or _TIERS.index(assessment.tier) < _TIERS.index(self._config.tier_min):
            return self._counted(by_rules)
        async with self._places:  # a batch of reviews comes at once; connections to PostgreSQL are few
            return self._counted(
                await self._asked_about(self._model, dossier, assessment, hits, passages, by_rules, force)
            )

    async def close(self) -> None:
        """Give back its connections."""
        if self._model is not None:
            await self._model.close()

    async def _asked_about(
        self,
        model: "Model",
        dossier: Dossier,
        assessment: Assessment,
        hits: Sequence[Hit],
        passages: Sequence[Passage],
        by_rules: Analysis,
        force: bool,
    ) -> Analysis:
        given = passages[:PASSAGES_MAX]
        aliases = Aliases(dossier, hits)
        prompt = prompt_of(dossier, assessment, hits, given, aliases, self._config.task or TASK)
        key = prompt.key(self._config.base_url, self._config.model, self._config.prompt_version)
        try:
            kept = None if force else await self._purse.kept(key)
            bought = kept or await self._bought(model, prompt, key)
            answer = parse(bought.text)
        except _NoAnswer as error:
            self.tally.fallbacks[error.reason] += 1
            return self._signed(fallen_back(by_rules, str(error)), None, cached=False)
        analysis, share = checked(answer, by_rules, prompt, dossier, assessment, hits, given, aliases)
        self.tally.struck += len(analysis.struck)
        if share > self._config.struck_share_max:
            self.tally.fallbacks["struck"] += 1
            note = f"{share:.0%} of the answer's claims are not borne out by the record"
            analysis = fallen_back(by_rules, note, analysis.struck)
        self.tally.cached += kept is not None
        return self._signed(analysis, bought, cached=kept is not None)

    async def _bought(self, model: "Model", prompt: Prompt, key: bytes) -> Kept:
        """A new answer of the right shape, paid for and kept. Raises _NoAnswer."""
        messages = prompt.messages(secrets.token_hex(12))
        size = sum(len(message["content"].encode()) for message in messages)
        tokens_in = size // _BYTES_A_TOKEN + 1
        reply, reserved = await self._asked(model, messages, tokens_in)
        tokens = (reply.tokens_in or tokens_in, reply.tokens_out or len(reply.text) // _BYTES_A_TOKEN + 1)
        bought = Kept(reply.text, *tokens, self._config.cost_micro_usd(*tokens))
        self.tally.tokens_in += bought.tokens_in
        self.tally.tokens_out += bought.tokens_out
        self.tally.cost_micro_usd += bought.cost_micro_usd
        try:
            parse(reply.text)
        except ShapeError as error:
            await self._purse.settle(reserved, sum(tokens), bought.cost_micro_usd, self._now())
            raise _NoAnswer("shape", f"the answer has another shape: {error}") from None
        text = bought.text.replace("\x00", "")
        await self._purse.keep(
            key,
            self._config.model,
            self._config.prompt_version,
            bought._replace(text=text),
            reserved,
            self._now(),
        )
        return bought

    async def _asked(
        self, model: "Model", messages: list[dict[str, str]], tokens_in: int
    ) -> tuple["Reply", Reserved]:
        """The first reply of at most `tries` requests, and what is reserved for it. Raises _NoAnswer."""
        from compliance.analyst.asking import AskError

        config = self._config
        for tried in range(1, config.tries + 1):
            reserved = await self._reserved(tokens_in)
            try:
                reply = await model.ask(messages, SCHEMA)
            except AskError as error:
                self._breaker.failed(self._seconds())
                self.tally.calls[error.failure] += 1
                await self._lost(error, reserved, tokens_in)
                if not error.is_worth_again or tried == config.tries:
                    raise _NoAnswer(
                        error.failure, f"the model gave no answer: {error.failure.replace('_', ' ')}"
                    ) from None
                asked_s = error.retry_after_s
            except asyncio.CancelledError:
                self._breaker.abandoned(self._seconds())
                raise
            else:
                self._breaker.succeeded()
                self.tally.calls["answered"] += 1
                return reply, reserved
            await asyncio.sleep(
                pause_s(
                    tried,
                    random.random(),
                    first_s=config.pause_s,
                    longest_s=config.pause_s_max,
                    asked_s=asked_s,
                )
            )
        raise AssertionError("the last try returns or raises")

    async def _reserved(self, tokens_in: int) -> Reserved:
        if not self._breaker.lets_through(self._seconds()):
            raise _NoAnswer("circuit_open", "the provider has failed and is left alone for a while")
        config = self._config
        cost = config.cost_micro_usd(tokens_in, config.tokens_out_max)
        try:
            reserved = await self._purse.reserve(self._now(), tokens_in + config.tokens_out_max, cost)
        except BaseException:
            self._breaker.abandoned(self._seconds())
            raise
        if reserved is None:
            self._breaker.abandoned(self._seconds())
            raise _NoAnswer("budget", "the day's budget is spent")
        return reserved

    async def _lost(self, error: "AskError", reserved: Reserved, tokens_in: int) -> None:
        """A request without an answer: what the provider may have read is paid for all the same."""
        tokens = tokens_in if error.may_have_cost else 0
        cost = self._config.cost_micro_usd(tokens, 0)
        await self._purse.settle(reserved, tokens, cost, self._now())

    def _signed(self, analysis: Analysis, bought: Kept | None, *, cached: bool) -> Analysis:
        """With the model and the prompt that it comes from; a kept answer costs nothing again."""
        paid = bought is not None and not cached
        return dataclasses.replace(
            analysis,
            model=self._config.model,
            prompt_version=self._config.prompt_version,
            tokens_in=bought.tokens_in if bought and paid else 0,
            tokens_out=bought.tokens_out if bought and paid else 0,
            cost_micro_usd=bought.cost_micro_usd if bought and paid else 0,
            cached=cached,
        )

    def _counted(self, analysis: Analysis) -> Analysis:
        self.tally.by_origin[analysis.origin] += 1
        return analysis
