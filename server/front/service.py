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
from server.core.deadline import Deadlines, with_deadline
from server.core.parcel import Core, Overloaded, Parcel, Stopped
from server.front.clients import Callers, Unidentified, check_explanation, check_message, entered
from server.front.fields import BadRequest, parse
from server.front.frames import FrameDecoder
from server.front.gathering import Gathering, Singles
from server.front.link import Link
from server.front.permits import AUTHORIZE, Caller, NotPermitted, OverLimit
from server.front.reading import Reader
from server.front.writing import AnswerWriter

SERVICE: Final = "holdfast.v1.AuthorizationService"


class Told(Exception):  # noqa: N818 - what another process has said
    """A call that was carried out elsewhere ended with this google.rpc.Status."""

    def __init__(self, status: Any) -> None:
        super().__init__(status.message)
        self.status = status


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
        callers: Callers,
        *,
        deadlines: Deadlines,
        link_in_flight_max: int,
    ) -> None:
        self._core = core
        self._reader = reader
        self._decoder = decoder
        self._writer = writer
        self._explain = explain
        self._callers = callers
        self._deadlines = deadlines
        self._link_in_flight_max = link_in_flight_max
        self._links: set[Link] = set()
        self._links_begun = 0
        self._gathering = Gathering(core, decoder, self._read_authorize, writer)
        self._singles = Singles(core, decoder, writer)

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
                "Increment": self._unary("Increment", pb.IncrementRequest, self._reader.increment),
                "Reverse": self._unary("Reverse", pb.ReverseRequest, self._reader.reverse),
                "Advise": self._unary("Advise", pb.AdviseRequest, self._reader.advise),
                "Clear": self._unary("Clear", pb.ClearRequest, self._reader.clear),
                "Explain": grpc.unary_unary_rpc_method_handler(self.explain),
                "Link": grpc.stream_stream_rpc_method_handler(self.link),
            },
        )

    async def authorize(self, raw: bytes, context: Any) -> bytes:
        """May this payment go through?"""
        try:
            caller = self._callers.of(context)
            caller.require(AUTHORIZE)
            caller.enter()
            try:
                return await self._gathering.ask(raw, caller, self._deadlines.of(context.time_remaining()))
            finally:
                caller.done()
        except Exception as error:
            await refuse(context, error)
            raise

    async def explain(self, raw: bytes, context: Any) -> bytes:
        """Why an authorization was answered as it was."""
        try:
            with entered(self._callers, context, "AuthorizationService/Explain") as caller:
                answer = await self._explain(raw)
                if not caller.permits.is_everything:
                    check_explanation(caller, pb.Explanation.FromString(answer))
                return answer
        except Exception as error:
            await refuse(context, error)
            raise

    async def link(self, frames: Any, context: Any) -> None:
        """One long-lived link with many messages in flight."""
        try:
            caller = self._callers.of(context)
            caller.require("AuthorizationService/Link")
        except Exception as error:
            await refuse(context, error)
            raise
        self._links_begun += 1
        link = Link(
            self._core,
            self._decoder,
            self._reader,
            self._writer,
            self._singles,
            caller,
            source=self._links_begun,
            in_flight_max=self._link_in_flight_max,
        )
        self._links.add(link)
        try:
            await link.run(frames, context)
        finally:
            self._links.discard(link)

    def _read_authorize(self, raw: bytes, caller: Caller) -> bytes:
        message = parse(pb.AuthorizeRequest, raw)
        check_message(caller, AUTHORIZE, message)
        return self._reader.authorize(message, caller.sender)

    def _unary(self, name: str, kind: type[Any], read: Callable[[Any, int], bytes]) -> Any:
        """The handler of a message of this kind, which `read` makes a record of."""
        method = f"AuthorizationService/{name}"

        async def handle(raw: bytes, context: Any) -> bytes:
            try:
                with entered(self._callers, context, method) as caller:
                    message = parse(kind, raw)
                    check_message(caller, method, message)
                    record = read(message, caller.sender)
                    deadline_ms = self._deadlines.of(context.time_remaining())
                    return await self._ask(with_deadline(record, deadline_ms))
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
    if isinstance(error, Told):
        return error.status
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
        (OverLimit, code_pb2.RESOURCE_EXHAUSTED),
        (Stopped, code_pb2.UNAVAILABLE),
        (NotPermitted, code_pb2.PERMISSION_DENIED),
        (Unidentified, code_pb2.UNAUTHENTICATED),
        (LookupError, code_pb2.NOT_FOUND),
    ):
        if isinstance(error, kind):
            return status_pb2.Status(code=code, message=str(error).strip("'"))
    return None
