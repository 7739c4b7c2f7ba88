"""
An empty server of the same contract: what this stack could do if authorizing were free.

It parses every message with the protobuf library, as a server must, and answers each with a constant AuthorizeResponse
of full size; nothing stands behind it. Stack, options and raw-bytes handlers are those of Holdfast's gRPC front, so
that a ratio between the two says what the decision costs and nothing else. Everything that could make it slower than
it needs to be would flatter Holdfast: hence the frames of answers that are kept and only renumbered.

Run it with `python -m loadtest.floors --port P`; it prints `ready on HOST:PORT` and stops on SIGTERM.
"""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from typing import Any, Final

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from holdfast.v1 import authorization_pb2 as pb

SERVICE: Final = "holdfast.v1.AuthorizationService"
MESSAGE_SIZE_MAX: Final = 4 * 1024 * 1024
FRAME_MESSAGES_MAX: Final = 256
"""The contract's limit for one frame on a link."""

ANSWER: Final = pb.AuthorizeResponse(
    response_code="00",
    authorization_code="K7Q2ZD",
    authorization_id="0192f0c4a1b23c4d5e6f708192a3b4c5",
    approved_amount_minor=4_321,
    billing_currency="USD",
    available_minor=654_321,
    risk_score=0.0123,
)
"""The constant answer: every field of an approval is there."""


class EmptyAnswers:
    """Constant answers as bytes; one per server, its frames are filled anew for every call."""

    def __init__(self) -> None:
        self._answer = ANSWER.SerializeToString()
        self._frames: dict[int, tuple[Any, list[Any]]] = {}

    def authorize(self, request: bytes) -> bytes:
        """The answer to one AuthorizeRequest. Raises `DecodeError` on bytes that are none."""
        pb.AuthorizeRequest.FromString(request)
        return self._answer

    def link(self, request: bytes) -> bytes:
        """The LinkResponse to one LinkRequest. Raises `DecodeError` on bytes that are none."""
        messages = pb.LinkRequest.FromString(request).messages
        frame, answers = self._frame(len(messages))
        for message, answer in zip(messages, answers, strict=True):
            answer.sequence = message.sequence
        return frame.SerializeToString()

    def _frame(self, size: int) -> tuple[Any, list[Any]]:
        kept = self._frames.get(size)
        if kept is None:
            frame = pb.LinkResponse(answers=[pb.LinkAnswer(authorize=ANSWER)] * size)
            kept = frame, list(frame.answers)
            if size <= FRAME_MESSAGES_MAX:
                self._frames[size] = kept
        return kept


def _handlers() -> grpc.GenericRpcHandler:
    answers = EmptyAnswers()

    async def authorize(request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        return answers.authorize(request)

    async def link(_requests: object, context: grpc.aio.ServicerContext) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(answers.link(request))

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Authorize": grpc.unary_unary_rpc_method_handler(authorize),
            "Link": grpc.stream_stream_rpc_method_handler(link),
        },
    )


async def serve(host: str, port: int, started: "asyncio.Future[int]", stopped: asyncio.Event) -> None:
    """Serves until `stopped` is set; `started` gets the port (useful with port 0)."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MESSAGE_SIZE_MAX),
            ("grpc.max_send_message_length", MESSAGE_SIZE_MAX),
        ]
    )
    server.add_generic_rpc_handlers((_handlers(),))
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    await health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    bound = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    started.set_result(bound)
    await stopped.wait()
    await server.stop(grace=1.0)


async def _run(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    started: asyncio.Future[int] = loop.create_future()
    started.add_done_callback(lambda bound: print(f"ready on {host}:{bound.result()}", flush=True))
    await serve(host, port, started, stopped)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of the empty server."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.floors", description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args(arguments)
    uvloop.run(_run(options.host, options.port))


if __name__ == "__main__":
    main()
