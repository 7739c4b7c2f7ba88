"""
Services that stay in the core's process where fronts are processes of their own: a front hands their calls on, bytes as
they came with who sent them, and the handlers of the service itself carry them out over there.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn

import grpc
import structlog
from google.protobuf import descriptor_pool
from google.rpc import code_pb2, status_pb2

from holdfast.v1 import accounts_pb2, feedback_pb2, transfers_pb2
from server.front.clients import Callers, entered
from server.front.identity import sender_of
from server.front.permits import EVERYTHING, Caller
from server.front.service import Told, refuse, status_of

SERVICES: Final = tuple(
    contract.DESCRIPTOR.services_by_name[name].full_name
    for contract, name in (
        (accounts_pb2, "AccountService"),
        (transfers_pb2, "TransferService"),
        (feedback_pb2, "FeedbackService"),
    )
)
"""Those that a front hands on whole."""

EXPLAIN: Final = "/holdfast.v1.AuthorizationService/Explain"
"""And of AuthorizationService this call."""

_PACKAGE: Final = "/holdfast.v1."
_DETAILS: Final = "grpc-status-details-bin"

HandOn = Callable[[str, str, bytes], Awaitable[tuple[bool, bytes]]]
"""Method, the caller's name, and message; whether an answer came, and its bytes or its google.rpc.Status'."""

_log = structlog.get_logger("front")


class Forwarded:
    """A service of the contract, as a front offers it."""

    def __init__(self, name: str, hand_on: HandOn, callers: Callers) -> None:
        self.name = name
        self._hand_on = hand_on
        self._callers = callers

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        methods = descriptor_pool.Default().FindServiceByName(self.name).methods
        return grpc.method_handlers_generic_handler(
            self.name,
            {
                method.name: grpc.unary_unary_rpc_method_handler(
                    partial(forward, self._hand_on, self._callers, f"/{self.name}/{method.name}")
                )
                for method in methods
            },
        )


async def forward(hand_on: HandOn, callers: Callers, method: str, raw: bytes, context: Any) -> bytes:
    """Hand one call on, of a caller who is permitted it; its answer's bytes. Ends it with the status that came instead."""
    try:
        with entered(callers, context, method.removeprefix(_PACKAGE)) as caller:
            return await _said(hand_on, method, caller.name, raw)
    except Exception as error:
        await refuse(context, error)
        raise


async def explain(hand_on: HandOn, raw: bytes) -> bytes:
    """The explanation that an ExplainRequest asks for. Raises Told or Stopped."""
    return await _said(hand_on, EXPLAIN, "", raw)


async def _said(hand_on: HandOn, method: str, caller: str, raw: bytes) -> bytes:
    is_answer, said = await hand_on(method, caller, raw)
    if not is_answer:
        raise Told(status_pb2.Status.FromString(said))
    return said


class Judged:
    """Callers of calls that were handed on: the front knows who they are, and let them in."""

    def of(self, context: Any) -> Caller:
        """Who calls."""
        return Caller(sender_of(context.caller), context.caller, EVERYTHING)


class Carrier:
    """Carries out calls that were handed on, by the handlers of the services themselves."""

    def __init__(self, services: Sequence[Any], explain: Callable[[bytes], Awaitable[bytes]]) -> None:
        """`services` have generic handlers; `explain` answers an ExplainRequest."""
        self._handlers = [service.handler() for service in services]
        self._explain = explain

    async def __call__(self, method: str, caller: str, raw: bytes) -> tuple[bool, bytes]:
        """See HandOn."""
        try:
            if method == EXPLAIN:
                return True, await self._explain(raw)
            handle = self._found(method)
            if handle is None:
                return False, _status(code_pb2.UNIMPLEMENTED, f"there is no {method}")
            return True, await handle(raw, _Call(caller))
        except _Ended as ended:
            return False, ended.status
        except Exception as error:
            status = status_of(error)
            if status is not None:
                return False, bytes(status.SerializeToString())
            _log.exception("a call has failed", method=method, exc_info=error)
            return False, _status(code_pb2.UNKNOWN, f"Unexpected {type(error)}: {error}")

    def _found(self, method: str) -> Any | None:
        details = _Details(method, ())
        found = (handler.service(details) for handler in self._handlers)
        return next((one.unary_unary for one in found if one is not None), None)


class _Details(NamedTuple):
    """What gRPC's generic handlers are asked by."""

    method: str
    invocation_metadata: tuple[Any, ...]


class _Ended(Exception):  # noqa: N818 - no error: a call's way to its status
    """A call has ended with a status."""

    def __init__(self, status: bytes) -> None:
        super().__init__()
        self.status = status


class _Call:
    """What handlers ask of a call's context, for one that came by way of a front."""

    def __init__(self, caller: str) -> None:
        self.caller = caller

    def time_remaining(self) -> float | None:
        """As gRPC's context: the front knows, and ends the call for its caller."""
        return None

    async def abort_with_status(self, status: Any) -> NoReturn:
        """As gRPC's context."""
        details = dict(status.trailing_metadata or ()).get(_DETAILS)
        raise _Ended(details or _status(status.code.value[0], status.details))

    async def abort(self, code: Any, details: str = "") -> NoReturn:
        """As gRPC's context."""
        raise _Ended(_status(code.value[0], details))


def _status(code: int, text: str) -> bytes:
    return bytes(status_pb2.Status(code=code, message=text).SerializeToString())
