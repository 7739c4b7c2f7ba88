"""Embeddings from an endpoint that speaks the real protocol, also when it misbehaves."""

import asyncio
import json

import pytest

from compliance.policies.embedding import EmbedConfig, Endpoint, embedder


async def asked(answers, texts, times=1, **options):
    """What an endpoint makes of these answers, one for each call; and the requests that it sent."""
    requests = []
    left = list(answers)

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(
            next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(
                b":"
            )[1]
        )
        requests.append((head.split(b"\r\n")[0].decode(), json.loads(await reader.readexactly(length))))
        status, body = left.pop(0)
        text = body if isinstance(body, str) else json.dumps(body)
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = Endpoint(EmbedConfig(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", **options))
    try:
        made = [await asyncio.wait_for(endpoint.embed(texts), 20) for _ in range(times)]
    finally:
        await endpoint.close()
        server.close()
    return made, requests


def answer(*vectors):
    """As `POST /embeddings` answers."""
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return 200, {
        "object": "list",
        "model": "m",
        "data": data,
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


def test_texts_come_back_as_vectors_in_their_order():
    """Whatever order the endpoint answers in."""
    status, body = answer([1.0, 0.0], [0.0, 1.0])
    body["data"].reverse()
    made, requests = asyncio.run(asked([(status, body)], ["a", "b"], model="m", dimensions=2))
    assert made == [[[1.0, 0.0], [0.0, 1.0]]]
    line, sent = requests[0]
    assert line.startswith("POST /v1/embeddings")
    assert (sent["model"], sent["input"], sent["dimensions"]) == ("m", ["a", "b"], 2)


@pytest.mark.parametrize(
    "bad",
    [
        (500, {"error": {"message": "no"}}),
        (429, {"error": {"message": "slow down"}}),
        (200, "not json"),
        (200, {"data": None}),
        (200, {"data": [{"index": 0}]}),
        answer([1.0]),
        answer([1.0], [1.0, 2.0]),
    ],
)
def test_an_endpoint_that_fails_is_left_alone_for_a_while(bad):
    """One failure, and searches go by words without waiting for it again."""
    made, requests = asyncio.run(asked([bad], ["a", "b"], times=3))
    assert made == [None, None, None]
    assert len(requests) == 1


def test_without_settings_there_is_no_embedder():
    """Full text alone."""
    assert embedder(EmbedConfig()) is None


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """Before anything is loaded."""
    with pytest.raises(ValueError, match=r"embedding_folder: .*nowhere is no folder"):
        embedder(EmbedConfig(folder=str(tmp_path / "nowhere")))
