"""The rival's gRPC server: unary and Link. `python -m loadtest.rival.server`; it prints `ready on HOST:PORT`, stops on SIGTERM."""

import argparse
import asyncio
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import redis.asyncio
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import MESSAGE_SIZE_MAX, SERVICE
from loadtest.rival.accounts import Accounts
from loadtest.rival.counters import Counters
from loadtest.rival.decision import Decisions
from loadtest.rival.score import Scorer

_GRACE_S: Final = 1.0


class Service:
    """The contract's handlers."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    def handler(self) -> grpc.GenericRpcHandler:
        """To register with a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Authorize": grpc.unary_unary_rpc_method_handler(
                    self.authorize,
                    request_deserializer=pb.AuthorizeRequest.FromString,
                    response_serializer=pb.AuthorizeResponse.SerializeToString,
                ),
                "Link": grpc.stream_stream_rpc_method_handler(
                    self.link,
                    request_deserializer=pb.LinkRequest.FromString,
                    response_serializer=pb.LinkResponse.SerializeToString,
                ),
            },
        )

    async def authorize(self, request: Any, _context: Any) -> Any:
        """One authorization."""
        return await self._decisions.authorize(request)

    async def link(self, frames: Any, context: Any) -> None:
        """Every frame on its own; its answers go back together."""
        writing = asyncio.Lock()

        async def one(message: Any) -> Any:
            return pb.LinkAnswer(
                sequence=message.sequence, authorize=await self._decisions.authorize(message.authorize)
            )

        async def answer(frame: Any) -> None:
            answers = await asyncio.gather(*map(one, frame.messages))
            async with writing:
                await context.write(pb.LinkResponse(answers=answers))

        async with asyncio.TaskGroup() as tasks:
            async for frame in frames:
                tasks.create_task(answer(frame))


async def serve(options: argparse.Namespace) -> None:
    """Serves until a signal."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with (
        Accounts.at(options.database_url, secrets.token_bytes(32)) as accounts,
        redis.asyncio.Redis(unix_socket_path=options.redis_socket) as client,
    ):
        await accounts.fill(options.cards)
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MESSAGE_SIZE_MAX),
                ("grpc.max_send_message_length", MESSAGE_SIZE_MAX),
            ]
        )
        decisions = Decisions(accounts, Counters(client), Scorer(options.model))
        server.add_generic_rpc_handlers((Service(decisions).handler(),))
        health_servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
        await health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        bound = server.add_insecure_port(f"{options.host}:{options.port}")
        await server.start()
        print(f"ready on {options.host}:{bound}", flush=True)
        await stopped.wait()
        await server.stop(_GRACE_S)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of the rival."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.rival.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--database-url", required=True, help="an empty database of PostgreSQL")
    parser.add_argument("--redis-socket", required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a model, with its manifest")
    parser.add_argument("--cards", type=int, default=10_000)
    uvloop.run(serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
