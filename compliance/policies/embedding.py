"""Texts as vectors: from an OpenAI-compatible endpoint, or from a model in a folder of the user's own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

log = structlog.get_logger()

TEXT_CHARS_MAX: Final = 6000
BATCH: Final = 64
REST_S: Final = 30.0
"""How long an endpoint that failed is left alone."""


class Embed(Protocol):
    """Texts as vectors, all of one length."""

    @property
    def model(self) -> str:
        """Which model: vectors of different models are never compared."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]] | None:
        """One vector for each text; None where there are none to be had just now. Raises nothing for that."""
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


@dataclass(frozen=True, slots=True)
class EmbedConfig:
    """Where embeddings come from. Without a base URL and without a folder: from nowhere."""

    base_url: str = ""
    api_key: str = ""
    model: str = "text-embedding-3-small"
    dimensions: int = 0  # 0: the model's own
    timeout_s: float = 5.0
    folder: str = ""  # of a local model, as model2vec saves it


def embedder(config: EmbedConfig) -> Embed | None:
    """
    What makes embeddings; None: full text alone.

    Raises ValueError where a folder is given and the extra that reads it is not installed, or it holds no model.
    """
    if config.folder:
        return Local(config.folder)
    return Endpoint(config) if config.base_url or config.api_key else None


class Endpoint:
    """`POST /embeddings` as OpenAI has it. After a failure it rests REST_S, and searches go by full text."""

    def __init__(self, config: EmbedConfig) -> None:
        from openai import AsyncOpenAI

        self._config = config
        self._client = AsyncOpenAI(
            base_url=config.base_url or None,
            api_key=config.api_key or "none",
            timeout=config.timeout_s,
            max_retries=0,
        )
        self._rests_until_s = 0.0

    @property
    def model(self) -> str:
        own = f"@{self._config.dimensions}" if self._config.dimensions else ""
        return f"{self._config.model}{own}"

    async def embed(self, texts: Sequence[str]) -> list[list[float]] | None:
        from openai import OpenAIError

        clock = asyncio.get_running_loop().time
        if clock() < self._rests_until_s:
            return None
        options: dict[str, Any] = {"dimensions": self._config.dimensions} if self._config.dimensions else {}
        try:
            answer = await self._client.embeddings.create(
                model=self._config.model,
                input=[text[:TEXT_CHARS_MAX] for text in texts],
                encoding_format="float",
                **options,
            )
            vectors = [
                [float(x) for x in one.embedding] for one in sorted(answer.data, key=lambda one: one.index)
            ]
        except (OpenAIError, AttributeError, TypeError, ValueError) as error:
            # The last three: an endpoint that answers with something else.
            log.warning("policies.embedding_failed", error=type(error).__name__, rests_s=REST_S)
            self._rests_until_s = clock() + REST_S
            return None
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
            log.warning(
                "policies.embedding_failed", error="as many vectors as texts were expected", rests_s=REST_S
            )
            self._rests_until_s = clock() + REST_S
            return None
        return vectors

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.close()


class Local:
    """A static embedding model in a folder (model2vec): no network, no graphics card, well under a millisecond."""

    def __init__(self, folder: str) -> None:
        from importlib import import_module  # an extra: absent from most installations

        if not Path(folder).is_dir():
            raise ValueError(f"embedding_folder: {folder} is no folder")
        try:
            self._model = import_module("model2vec").StaticModel.from_pretrained(folder)
        except ImportError as error:
            raise ValueError(
                "embedding_folder: a local model needs the extra: pip install 'holdfast[embeddings]'"
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"embedding_folder: {folder} holds no model that model2vec reads: {error}"
            ) from error
        self._name = f"local:{Path(folder).name}"

    @property
    def model(self) -> str:
        return self._name

    async def embed(self, texts: Sequence[str]) -> list[list[float]] | None:
        return [
            [float(x) for x in row] for row in self._model.encode([text[:TEXT_CHARS_MAX] for text in texts])
        ]

    async def close(self) -> None:
        """Nothing to end."""
