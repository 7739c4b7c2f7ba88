"""Every unary method of the server, called with anything: an answer, or a refusal that is the caller's."""

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.end_to_end.any_message import bytes_of, unary_methods
from tests.end_to_end.callers import connected
from tests.end_to_end.serving import fresh_home, serving

CARDS = 50
CALL_S = 60
SERVICES = ("AuthorizationService", "AccountService", "TransferService", "FeedbackService")
METHODS = [(service, method) for service in SERVICES for method in unary_methods(service)]
OURS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""Endings that would be the server's fault."""


@pytest.fixture(scope="module")
def channel():
    """To a server of this module's own: what is sent may move its money and close its accounts."""
    with serving(fresh_home(), cards=CARDS) as server:
        with connected(server.target) as found:
            yield found
        assert server.stop() == 0, server.output
        assert "Traceback" not in server.output, server.output


@pytest.mark.parametrize(("service", "method"), METHODS)
@settings(
    max_examples=40,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_anything_is_answered_or_refused_as_the_callers_fault(channel, service, method, data):
    """Whatever stands in a message, or is none: never INTERNAL, never a lost call, and the server ends without a word."""
    raw = data.draw(bytes_of(unary_methods(service)[method]))
    call = channel.unary_unary(f"/holdfast.v1.{service}/{method}").future(raw, timeout=CALL_S)
    assert call.code() not in OURS, (call.code(), call.details(), raw)
