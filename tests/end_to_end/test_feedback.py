"""Labels through the real door, by the command line, and across a kill."""

import json
import secrets
import time

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from holdfast.v1 import feedback_pb2 as pb
from server.cli import app
from server.store.postgres import EmbeddedPostgres
from tests.end_to_end import callers, serving

FEEDBACK = "holdfast.v1.FeedbackService"


@pytest.fixture
def ask(server):
    """One unary call: method, request, type of the answer."""
    with callers.connected(server.target) as channel:

        def call(method, request, kind):
            raw = request.SerializeToString()
            try:
                answer = channel.unary_unary(f"/{FEEDBACK}/{method}")(raw, timeout=callers.CALL_TIMEOUT_S)
            except grpc.RpcError as error:
                raise callers.Refused(error) from None
            return kind.FromString(answer)

        yield call


@pytest.fixture
def typed(server):
    """The command line against the server: words, and the exit code it must end with."""

    def run(*words, code=0):
        done = CliRunner().invoke(app, ["label", *map(str, words), "--target", server.target, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return run


def label(authorization_id, verdict=pb.VERDICT_FRAUD, **fields):
    """A label as it is told."""
    given = {"source": "chargebacks", "reported_by": "ada"} | fields
    return pb.Label(authorization_id=authorization_id, verdict=verdict, **given)


def test_a_label_is_taken_listed_and_in_the_features_at_once_when_the_authorization_is_new(ask, caller, card):
    """A second after the answer, whether PostgreSQL has it or not; the last word counts."""
    told = caller.authorize(callers.purchase(card)).authorization_id
    for verdict, replayed in (
        (pb.VERDICT_FRAUD, False),
        (pb.VERDICT_FRAUD, True),
        (pb.VERDICT_FALSE_POSITIVE, False),
    ):
        request = pb.LabelTransactionsRequest(labels=[label(told, verdict)])
        (result,) = ask("LabelTransactions", request, pb.LabelTransactionsResponse).results
        assert (result.accepted, result.replayed, result.standing) == (True, replayed, verdict)
    listed = ask("ListLabels", pb.ListLabelsRequest(authorization_id=told), pb.ListLabelsResponse).labels
    assert [(each.label.verdict, each.standing, each.learnt) for each in listed] == [
        (pb.VERDICT_FRAUD, False, True),
        (pb.VERDICT_FALSE_POSITIVE, True, True),
    ]
    assert abs(listed[0].received_time.seconds - time.time()) < serving.END_TIMEOUT_S


def test_every_bad_field_of_every_label_is_named_and_the_good_ones_are_taken(ask, caller, card):
    """A batch answers one by one; only a batch that is no batch is refused as a whole."""
    told = caller.authorize(callers.purchase(card)).authorization_id
    ahead = label(told)
    ahead.learnt_time.FromSeconds(int(time.time()) + 86_400)
    wrong = label("00", pb.VERDICT_UNSPECIFIED, source="", reported_by="x" * 101, report_id="\t")
    message = callers.reversal(authorization_id=caller.authorize(callers.purchase(card)).authorization_id)
    assert caller.ask(message).response_code == "00"
    request = pb.LabelTransactionsRequest(labels=[wrong, label("ab" * 16), ahead, label(told)])
    results = ask("LabelTransactions", request, pb.LabelTransactionsResponse).results
    assert [[error.field for error in result.errors] for result in results] == [
        ["authorization_id", "verdict", "report_id", "source", "reported_by"],
        ["authorization_id"],
        ["learnt_time"],
        [],
    ]
    assert [result.accepted for result in results] == [False, False, False, True]
    for labels in ([], [label(told)] * 1_001):
        with pytest.raises(callers.Refused) as refused:
            ask("LabelTransactions", pb.LabelTransactionsRequest(labels=labels), pb.LabelTransactionsResponse)
        assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(callers.Refused) as refused:
        ask("ListLabels", pb.ListLabelsRequest(authorization_id="cd" * 16), pb.ListLabelsResponse)
    assert refused.value.code == grpc.StatusCode.NOT_FOUND


def test_a_file_of_labels_is_told_line_by_line_when_it_is_typed(typed, caller, card, tmp_path):
    """CSV and Parquet; what a line leaves out the options say; a bad line is named and the rest is taken."""
    told = [caller.authorize(callers.purchase(card)).authorization_id for _ in range(3)]
    report = secrets.token_hex(4)
    lines = tmp_path / "labels.csv"
    lines.write_text(
        "authorization_id,verdict,source\n"
        f"{told[0]},fraud,chargebacks\n{told[1]},theft,\n{told[1]},dispute,\n{told[2]},false_positive,calls\n"
    )
    document = typed("--file", lines, "--by", "ada", "--report-id", report, code=1)
    assert (document["labels"], document["accepted"], document["replayed"]) == (4, 3, 0)
    assert [(line["line"], line["errors"][0]["field"]) for line in document["refused"]] == [(2, "verdict")]
    columns = {"authorization_id": told, "verdict": ["fraud", "dispute", "false_positive"]}
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    document = typed("--file", tmp_path / "labels.parquet", "--by", "bob", "--report-id", report)
    assert (document["accepted"], document["replayed"]) == (3, 3)
    (shown,) = typed(told[1])
    assert (shown["label"]["verdict"], shown["label"]["reported_by"]) == ("VERDICT_DISPUTE", "ada")
    assert (shown["label"]["source"], shown["standing"], shown["learnt"]) == ("command line", True, True)
    assert typed(told[1], "fraud")["accepted"] == 1
    lines.write_text("authorization_id,what\n")
    done = CliRunner().invoke(app, ["label", "--file", str(lines)])
    assert (done.exit_code, "lacks ['verdict']" in done.stderr) == (1, True)


def test_a_label_that_a_kill_left_waiting_is_learnt_when_the_server_is_back():
    """Its row is there, and the core's journal has it once, also where the row did not say so."""
    home = serving.fresh_home()
    url = EmbeddedPostgres(home).url
    with serving.serving(home) as server:
        with callers.calling(server.target) as caller:
            told = caller.authorize(callers.purchase(3)).authorization_id
        done = CliRunner().invoke(app, ["label", told, "fraud", "--target", server.target, "--json"])
        assert done.exit_code == 0, done.output
        serving.execute(url, "UPDATE labels SET taken_at = NULL")
        server.kill()
    with serving.serving(home) as server:
        listed = CliRunner().invoke(app, ["label", told, "--target", server.target, "--json"])
        assert [each["standing"] for each in json.loads(listed.stdout)] == [True]
        again = CliRunner().invoke(app, ["label", told, "dispute", "--target", server.target, "--json"])
        assert json.loads(again.stdout)["accepted"] == 1
        listed = CliRunner().invoke(app, ["label", told, "--target", server.target, "--json"])
        assert [each["learnt"] for each in json.loads(listed.stdout)] == [True, True]
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output, server.output
