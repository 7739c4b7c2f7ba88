"""One request to a model, by the openai SDK: any endpoint that speaks chat completions, bounded in time and size."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import openai

from compliance.analyst.config import OPENAI_URL, AnalystConfig

REPLY_SIZE_MAX: Final = 256 * 1024
_NO_KEY: Final = "none"  # what local endpoints take; the SDK insists on one
_TOKENS_MAX: Final = 10_000_000


class Failure(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    LIMITED = "limited"  # 429
    FAILED = "failed"  # 5xx, 408, 409
    DENIED = "denied"  # any other status: asking again changes nothing
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    CUT_SHORT = "cut_short"
    MALFORMED = "malformed"


_AGAIN: Final = frozenset((Failure.TIMEOUT, Failure.UNREACHABLE, Failure.LIMITED, Failure.FAILED))


class AskError(Exception):
    """No answer. `may_have_cost`: the provider may have worked on it all the same."""

    def __init__(self, failure: Failure, retry_after_s: float | None = None) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.retry_after_s = retry_after_s
        self.is_worth_again = failure in _AGAIN
        self.may_have_cost = failure not in {Failure.LIMITED, Failure.FAILED, Failure.DENIED}


class Reply(NamedTuple):
    """What the model wrote, unread, and what it cost."""

    text: str
    tokens_in: int
    tokens_out: int


class Model:
    """A model at an endpoint."""

    def __init__(self, config: AnalystConfig) -> None:
        self._config = config
        self._client = openai.AsyncOpenAI(
            api_key=config.api_key or _NO_KEY,
            base_url=config.base_url or OPENAI_URL,
            timeout=config.timeout_s,
            max_retries=0,  # retries are counted, paid for and paused by the analyst
        )

    async def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Reply:
        """The model's reply to one request. Raises AskError."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                body = await self._body(messages, schema)
        except TimeoutError:
            raise AskError(Failure.TIMEOUT) from None
        return _reply(body)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def _body(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> bytes:
        asked: Any = (
            self._client.chat.completions.with_streaming_response
        )  # read as it comes: its size is bounded
        body = bytearray()
        try:
            async with asked.create(
                model=self._config.model,
                messages=list(messages),
                max_completion_tokens=self._config.tokens_out_max,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "analysis", "strict": True, "schema": schema},
                },
            ) as response:
                async for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > REPLY_SIZE_MAX:
                        raise AskError(Failure.TOO_LARGE)
        except openai.APITimeoutError:
            raise AskError(Failure.TIMEOUT) from None
        except openai.APIStatusError as error:
            raise _refusal_of(error) from None
        except (AskError, TimeoutError):
            raise
        except Exception as error:
            # The SDK lets its transport's own errors through while a body is read: whichever, there is no answer.
            raise AskError(Failure.UNREACHABLE) from error
        return bytes(body)


def _refusal_of(error: openai.APIStatusError) -> AskError:
    status = error.status_code
    if status == 429:
        return AskError(Failure.LIMITED, _seconds(error.response.headers.get("retry-after")))
    if status >= 500 or status in {408, 409}:
        return AskError(Failure.FAILED, _seconds(error.response.headers.get("retry-after")))
    return AskError(Failure.DENIED)


def _seconds(text: str | None) -> float | None:
    try:
        return max(float(text), 0.0) if text else None
    except ValueError:  # a date: the schedule's own pause will do
        return None


def _reply(body: bytes) -> Reply:
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        refusal, content, finish = message.get("refusal"), message.get("content"), choice.get("finish_reason")
        usage = answer.get("usage") or {}
        tokens_in, tokens_out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        str(content).encode()  # half a surrogate pair is no text
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise AskError(Failure.MALFORMED) from None
    if refusal:
        raise AskError(Failure.REFUSED)
    if finish == "length":
        raise AskError(Failure.CUT_SHORT)
    if finish != "stop" or not isinstance(content, str):
        raise AskError(Failure.MALFORMED)
    return Reply(content, tokens_in, tokens_out)


def _count(value: Any) -> int:
    return min(max(value, 0), _TOKENS_MAX) if isinstance(value, int) else 0
