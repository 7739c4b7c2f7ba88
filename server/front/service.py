"""
AuthorizationService over gRPC: raw bytes in, answers out.

Handlers get raw bytes and parse them themselves, so that whatever comes gets a good answer or INVALID_ARGUMENT with
google.rpc.BadRequest; a generated servicer would answer UNKNOWN. A decline is an answer, not an error.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from server.core.parcel import Core, Overloaded, Parcel, Stopped
from server.front.fields import BadRequest, parse
from server.front.frames import FrameDecoder
from server.front.gathering import Gathering
from server.front.identity import sender_of
from server.front.link import Link
from server.front.reading import Reader
from server.front.writing import AnswerWriter

SERVICE: Final = "holdfast.v1.AuthorizationService"


class AuthorizationService:
    """The handlers. One per front; the core behind it is shared."""

    name: Final = SERVICE

    def __init__(
        self,
        core: Core,
        decoder: FrameDecoder,
        reader: Reader,
        writer: AnswerWriter,
        explain: Callable[[bytes], Awaitable[bytes]],
        *,
        link_in_flight_max: int,
    ) -> None:
        self._core = core
        self._reader = reader
        self._decoder = decoder
        self._writer = writer
        self._explain = explain
        self._link_in_flight_max = link_in_flight_max
        self._links: set[Link] = set()
        self._gathering = Gathering(
            core,
            decoder,
            lambda raw, sender: reader.authorize(parse(pb.AuthorizeRequest, raw), sender),
            writer,
        )

    def end_links(self) -> None:
        """Read no more frames; each link ends when what it has under way is answered."""
        for link in self._links:
            link.end()

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Authorize": grpc.unary_unary_rpc_method_handler(self.authorize),
                "Increment": self._unary(pb.IncrementRequest, self._reader.increment),
                "Reverse": self._unary(pb.ReverseRequest, self._reader.reverse),
                "Advise": self._unary(pb.AdviseRequest, self._reader.advise),
                "Clear": self._unary(pb.ClearRequest, self._reader.clear),
                "Explain": grpc.unary_unary_rpc_method_handler(self.explain),
                "Link": grpc.stream_stream_rpc_method_handler(self.link),
            },
        )

    async def authorize(self, raw: bytes, context: Any) -> bytes:
        """May this payment go through?"""
        try:
            return await self._gathering.ask(raw, sender_of(context))
        except Exception as error:
            await refuse(context, error)
            raise

    async def explain(self, raw: bytes, context: Any) -> bytes:
        """Why an authorization was answered as it was."""
        try:
            return await self._explain(raw)
        except Exception as error:
            await refuse(context, error)
            raise

    async def link(self, frames: Any, context: Any) -> None:
        """One long-lived link with many messages in flight."""
        link = Link(
            self._core,
            self._decoder,
            self._reader,
            self._writer,
            sender_of(context),
            in_flight_max=self._link_in_flight_max,
        )
        self._links.add(link)
        try:
            await link.run(frames, context)
        finally:
            self._links.discard(link)

    def _unary(self, kind: type[Any], read: Callable[[Any, int], bytes]) -> Any:
        """The handler of a message of this kind, which `read` makes a record of."""

        async def handle(raw: bytes, context: Any) -> bytes:
            try:
                return await self._ask(read(parse(kind, raw), sender_of(context)))
            except Exception as error:
                await refuse(context, error)
                raise

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _ask(self, record: bytes) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def deliver(_places: list[int], decisions: NDArray[Any]) -> None:
            if not future.done():
                future.set_result(self._writer.answer(decisions))

        def fail(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        self._core.submit(Parcel(record, [0], deliver, fail))
        return await future


async def refuse(context: Any, error: Exception) -> None:
    """End the call with the status that the error means; an error that means none travels on."""
    status = status_of(error)
    if status is not None:
        await context.abort_with_status(rpc_status.to_status(status))


def status_of(error: Exception) -> Any | None:
    """The google.rpc.Status that an error means; None where it is our bug."""
    if isinstance(error, BadRequest):
        detail = any_pb2.Any()
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in error.violations
        ]
        detail.Pack(error_details_pb2.BadRequest(field_violations=violations))
        return status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error), details=[detail])
    for kind, code in (
        (Overloaded, code_pb2.RESOURCE_EXHAUSTED),
        (Stopped, code_pb2.UNAVAILABLE),
        (LookupError, code_pb2.NOT_FOUND),
    ):
        if isinstance(error, kind):
            return status_pb2.Status(code=code, message=str(error).strip("'"))
    return None
