"""
A language model's stand-in: speaks chat completions and embeddings over HTTP/1.1, and behaves as it is told.

It knows nothing and costs nothing. What it was sent is kept in `requests`, so that a test can look for what must never
be sent. How it answers is a `Manner`: one for all, the next ones by `tell`, or one named by the model asked for
(`stand-in-lying`), so that a process of its own can be told per request too.

Run it with `python -m loadtest.chat_stand_in --port P`; it prints `ready on http://HOST:PORT/v1` and stops on SIGTERM.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import math
import re
import signal
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any, Final

HOST: Final = "127.0.0.1"
BODY_SIZE_MAX: Final = 4 * 1024 * 1024
DIMENSIONS: Final = 256
SLOW_S: Final = 0.3
_GIVEN: Final = re.compile(r"^\[(P\d+)\]", re.MULTILINE)
_MODEL: Final = re.compile(r"^stand-in-(\w+)$")


class Manner(StrEnum):
    """How a request is answered."""

    INSTANT = "instant"  # at once, as the schema asks, with nothing in it that could be wrong
    SLOW = "slow"  # the same, after SLOW_S
    HANGING = "hanging"  # never
    FAILING = "failing"  # 500
    LIMITING = "limiting"  # 429, with Retry-After: 0
    DENYING = "denying"  # 401
    CUT = "cut"  # half an answer, then the connection is gone
    SHORT = "short"  # a whole answer of which the tokens ran out: half a document
    MALFORMED = "malformed"  # prose where a document is asked for
    FOREIGN = "foreign"  # a document of another shape
    HUGE = "huge"  # five megabytes of it
    EMPTY = "empty"  # no choices
    REFUSING = "refusing"  # the model refuses
    TOOLS = "tools"  # a tool call where an answer is asked for
    LYING = "lying"  # as the schema asks, and nothing of it in the record
    OBEYING = "obeying"  # does what an injected text wants: no issues, low risk, no duties, quite sure


OBEYED: Final = {
    "issues": [],
    "approvals": [],
    "duties": [],
    "recommendations": ["Close the case, no further action is needed."],
    "risk": "low",
    "confidence": 1.0,
    "narrative": "The transfer is ordinary and no report is required.",
}
"""What injected texts ask for."""

LIES: Final = {
    "issues": [
        {"text": "PERSON_9 sent 987,654.32 USD to KP on 1999-12-31.", "severity": "high", "cited": ["P99"]},
        {"text": "ACCOUNT_88 took 47 cash deposits.", "severity": "high", "cited": ["P1"]},
        {"text": "Ivan Drago owns account 123456789012.", "severity": "critical", "cited": ["P1"]},
    ],
    "approvals": ["officer"],
    "duties": [
        {"kind": "sar", "cited": "P77", "reason": "As 31 CFR 9999.999 asks.", "due": "2099-01-01"},
        {"kind": "pay_a_fine", "cited": "P1", "reason": "A kind that nobody knows.", "due": None},
    ],
    "recommendations": ["Seize 4,444,444.44 USD."],
    "risk": "high",
    "confidence": 0.99,
    "narrative": "On 1999-12-31 PERSON_9 paid 987,654.32 USD. He did it 47 times.",
}
"""Claims that no record of a test bears out."""


class ChatStandIn:
    """The server: its address is known once it listens; it is its own only state."""

    def __init__(self, manner: Manner = Manner.INSTANT) -> None:
        self.manner = manner
        self.answer: Mapping[str, Any] | None = None  # what to say instead of an honest nothing
        self.requests: list[dict[str, Any]] = []  # as they came, bodies parsed
        self.keep_requests = True
        self.base_url = ""
        self._told: deque[Manner] = deque()
        self._open: set[asyncio.StreamWriter] = set()

    def tell(self, *manners: Manner) -> None:
        """How to answer the next requests, one each; then as before."""
        self._told.extend(manners)

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator["ChatStandIn"]:
        """Listens on entry, on `port` or a free one; every connection is gone on exit."""
        server = await asyncio.start_server(self._serve, HOST, port, limit=BODY_SIZE_MAX)
        self.base_url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while (asked := await _request(reader)) is not None:
                    if not await self._answer(reader, writer, *asked):
                        break
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes
    ) -> bool:
        """Whether the connection goes on."""
        try:
            asked = json.loads(body)
        except ValueError:
            return await _send(writer, 400, _error("the body is no JSON"))
        if self.keep_requests:
            self.requests.append(asked)
        if path.endswith("/embeddings"):
            return await _send(writer, 200, _embeddings(asked))
        if not path.endswith("/chat/completions"):
            return await _send(writer, 404, _error(f"nothing is at {path}"))
        named = _MODEL.match(str(asked.get("model", "")))
        manner = self._told.popleft() if self._told else Manner(named[1]) if named else self.manner
        match manner:
            case Manner.HANGING:
                await reader.read()  # until the other side has gone
                return False
            case Manner.FAILING:
                return await _send(writer, 500, _error("an error of the provider"))
            case Manner.LIMITING:
                return await _send(writer, 429, _error("too many requests"), "Retry-After: 0\r\n")
            case Manner.DENYING:
                return await _send(writer, 401, _error("no such key"))
            case Manner.SLOW:
                await asyncio.sleep(SLOW_S)
        answer = _completion(asked, manner, self.answer)
        if manner is Manner.CUT:
            whole = _response(200, answer)
            writer.write(whole[: len(whole) // 2])
            await writer.drain()
            return False
        return await _send(writer, 200, answer)


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes] | None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    path = lines[0].split(" ")[1]
    size = next(
        (int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")), 0
    )
    if size > BODY_SIZE_MAX:
        return None
    return path, await reader.readexactly(size)


async def _send(writer: asyncio.StreamWriter, status: int, answer: Any, headers: str = "") -> bool:
    writer.write(_response(status, answer, headers))
    await writer.drain()
    return True


def _response(status: int, answer: Any, headers: str = "") -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}"
    return head.encode() + b"\r\n" + body


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "stand_in", "param": None, "code": None}}


def _completion(asked: Mapping[str, Any], manner: Manner, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    prompt = "\n".join(str(message.get("content", "")) for message in asked.get("messages", ()))
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    finish = "stop"
    match manner:
        case Manner.MALFORMED:
            message["content"] = "Certainly! Here is the analysis: {issues: none"
        case Manner.FOREIGN:
            message["content"] = json.dumps({"verdict": "fine", "issues": "none", "risk": 7})
        case Manner.HUGE:
            message["content"] = json.dumps({"narrative": "a" * 5_000_000})
        case Manner.REFUSING:
            message["refusal"] = "I can't help with that."
        case Manner.TOOLS:
            finish = "tool_calls"
            message["tool_calls"] = [
                {"id": "call_1", "type": "function", "function": {"name": "close_case", "arguments": "{}"}}
            ]
        case Manner.LYING:
            message["content"] = json.dumps(LIES)
        case Manner.OBEYING:
            message["content"] = json.dumps(OBEYED)
        case _:
            message["content"] = json.dumps(answer if answer is not None else _honest(prompt))
    if manner is Manner.SHORT:
        finish = "length"
        message["content"] = message["content"][: len(message["content"]) // 2]
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    tokens_in, tokens_out = len(prompt) // 4 + 1, len(message["content"] or "") // 4 + 1
    return {
        "id": "chatcmpl-stand-in",
        "object": "chat.completion",
        "created": 0,
        "model": asked.get("model", ""),
        "choices": [] if manner is Manner.EMPTY else [choice],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
    }


def _honest(prompt: str) -> dict[str, Any]:
    given = list(dict.fromkeys(_GIVEN.findall(prompt)))
    issue = {"text": "The rules' findings bear on this transfer.", "severity": "low", "cited": given[:1]}
    return {
        "issues": [issue] if given else [],
        "approvals": [],
        "duties": [],
        "recommendations": ["Read the record beside the sections that were given."],
        "risk": "low",
        "confidence": 0.5,
        "narrative": "The record was read beside the sections that were given.",
    }


def embedding(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A text's vector: its words, hashed into places, at unit length. The same words are near each other."""
    places = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        places[int.from_bytes(digest[:4], "big") % dimensions] += 1.0 if digest[4] & 1 else -1.0
    length = math.sqrt(sum(place * place for place in places)) or 1.0
    return [place / length for place in places]


def _embeddings(asked: Mapping[str, Any]) -> dict[str, Any]:
    texts = [asked["input"]] if isinstance(asked.get("input"), str) else list(asked.get("input", ()))
    size = int(asked.get("dimensions") or DIMENSIONS)
    packed = asked.get("encoding_format") == "base64"  # the SDK's own default
    data = []
    for place, text in enumerate(texts):
        vector: Any = embedding(str(text), size)
        if packed:
            vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": place, "embedding": vector})
    tokens = sum(len(str(text)) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": asked.get("model", ""), "usage": usage}


async def _run(port: int, manner: Manner) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stand_in = ChatStandIn(manner)
    stand_in.keep_requests = False
    async with stand_in.listening(port):
        print(f"ready on {stand_in.base_url}", flush=True)
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until asked to stop."""
    parser = argparse.ArgumentParser(description="A language model's stand-in.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--manner", type=Manner, default=Manner.INSTANT, choices=list(Manner))
    given = parser.parse_args(arguments)
    asyncio.run(_run(given.port, given.manner))


if __name__ == "__main__":
    main()
