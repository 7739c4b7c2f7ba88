"""The gRPC server: its options, health, reflection, and how it closes."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from server.front.certificates import Certificates

_STREAMS_MAX: Final = 100
"""
Calls that one connection may have open; more wait at the caller's (RFC 9113, 6.5.2: no fewer than 100). Where callers ask
faster than we answer, that many per connection wait here before Python sees them: 1,000 of each of four waited 1.2 s.
"""

_CONNECTIONS_MAX: Final = 4_096
_PENDING_MAX: Final = 40_000
"""
Calls that have come and that Python has not seen yet, of all connections. Beyond it gRPC lets calls go unheard, whoever
sent them: an honest one too (seen at its default, 1,000, while another caller opened calls to reset them).
"""

_METADATA_BYTES_MAX: Final = 16_384
_HANDSHAKE_MS: Final = 20_000
_KEEPALIVE_MS: Final = 60_000
_KEEPALIVE_TIMEOUT_MS: Final = 20_000
"""A caller who is not heard of for so long is asked whether he lives, and dropped where he doesn't say."""

_PING_INTERVAL_MIN_MS: Final = 10_000
_PING_STRIKES_MAX: Final = 2
"""Pings before their time after which a connection is closed."""


class PortTaken(OSError):  # noqa: N818 - told as what it is
    """The address can't be served on; the text says what to do."""


class Service(Protocol):
    """A service of the contract."""

    @property
    def name(self) -> str:
        """Its full name in the contract."""
        ...

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        ...


class StreamingService(Service, Protocol):
    """One with streams that a closing door must end."""

    def end_links(self) -> None:
        """Begin nothing new on any stream; each ends when what it has under way is answered."""
        ...


class Door:
    """One listening gRPC server."""

    def __init__(
        self,
        service: StreamingService,
        others: Sequence[Service] = (),
        *,
        message_bytes_max: int,
        reflecting: bool,
        shared: bool = False,
    ) -> None:
        """`shared`: others listen on the same port, which a supervisor holds."""
        self._service = service
        self._names = [service.name, *(other.name for other in others)]
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", message_bytes_max),
                ("grpc.max_send_message_length", message_bytes_max),
                ("grpc.max_concurrent_streams", _STREAMS_MAX),
                ("grpc.max_allowed_incoming_connections", _CONNECTIONS_MAX),
                ("grpc.server.max_pending_requests", _PENDING_MAX),
                ("grpc.server.max_pending_requests_hard_limit", _PENDING_MAX),
                ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
                ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _PING_INTERVAL_MIN_MS),
                ("grpc.http2.max_ping_strikes", _PING_STRIKES_MAX),
                ("grpc.so_reuseport", int(shared)),  # alone, so that a stale server can't share the port
            ]
        )
        self._server.add_generic_rpc_handlers((service.handler(), *(other.handler() for other in others)))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflecting:
            contract = descriptor_pool.Default()
            assert all(contract.FindServiceByName(name) for name in self._names)
            names = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def open(self, host: str, port: int, certificates: Certificates | None = None) -> int:
        """Listen; return the port. With `certificates`, to clients who show one too. Raises PortTaken."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if certificates is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, certificates.credentials())
        except RuntimeError as error:
            raise PortTaken(
                f"{address} can't be served on: is another server running there? Choose another with --port."
            ) from error
        await self._server.start()
        return int(bound)

    async def serve(self) -> None:
        """Say that requests are welcome."""
        await self._tell(health_pb2.HealthCheckResponse.SERVING)

    async def refuse(self) -> None:
        """Say that requests are not welcome any more; those that come are still answered."""
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def close(self, grace_s: float) -> None:
        """Take nothing new, let what is under way end, and close."""
        self._service.end_links()
        await self._server.stop(grace_s)

    async def _tell(self, status: Any) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)
