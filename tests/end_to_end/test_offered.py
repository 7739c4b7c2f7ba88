"""What the server offers, and what it says of itself: services, health, metrics, methods to come."""

import re
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from tests.end_to_end.callers import Refused, connected, purchase

INVALID_ARGUMENT = 3


@pytest.mark.parametrize("method", ["Authorize", "Increment", "Reverse", "Advise", "Clear", "Explain"])
def test_method_refuses_what_is_no_message_by_name(caller, method):
    """INVALID_ARGUMENT for bytes that are none, and for a message without anything in it."""
    with pytest.raises(Refused, match="protobuf") as refused:
        caller.raw(method, b"\xff\xff")
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(Refused) as refused:
        caller.raw(method, b"")
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.fields


def test_empty_messages_get_faults_on_a_link(link, card):
    """On a link, the same is a Fault that names the fields, and the link lives on."""
    link.send(s1=pb.IncrementRequest(), s2=pb.AdviseRequest(), s3=pb.ClearRequest(), s4=purchase(card))
    found = link.answers(4)
    assert [found[k].fault.status_code for k in (1, 2, 3)] == [INVALID_ARGUMENT] * 3
    assert "authorization_id" in found[1].fault.fields
    assert "original" in found[2].fault.fields
    assert "amount_minor" in found[3].fault.fields
    assert found[4].authorize.response_code == "00"


def test_reflection_lists_the_service_and_gives_its_contract(server):
    """What grpcurl asks: the services, and the file that describes ours."""
    with connected(server.target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        ]
        services, contract = stub.ServerReflectionInfo(iter(asked), timeout=30)
    names = {service.name for service in services.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
    assert any(
        b"AuthorizeRequest" in file for file in contract.file_descriptor_response.file_descriptor_proto
    )


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_says_serving(server, service):
    """The server as a whole and its service by name."""
    with connected(server.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def metrics_of(server):
    """The metrics page as name and labels → value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=30) as page:
        text = page.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z]\S*) (\S+)$", text, re.MULTILINE)}


def test_metrics_count_decisions_by_code_and_show_what_waits(server, caller, card):
    """A purchase is one more 00, and the gauges of queue, journal and directory are there."""
    name = 'holdfast_decisions_total{response_code="00"}'
    before = metrics_of(server).get(name, 0)
    assert caller.authorize(purchase(card)).response_code == "00"
    after = metrics_of(server)
    assert after[name] == before + 1
    assert after["holdfast_directory_cards"] == 1_000
    assert after["holdfast_ledger_away"] == 0
    for gauge in ("waiting_requests", "journal_depth", "journal_commit_seconds", "repeat_entries"):
        assert after[f"holdfast_{gauge}"] >= 0


def test_method_that_does_not_exist_is_unimplemented(caller):
    """A path outside the contract is refused by gRPC itself."""
    with pytest.raises(Refused, match="UNIMPLEMENTED"):
        caller.raw("Refund", b"")
