"""A replay against a fake issuer: order, answers, breaks, and what it makes of them."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest

from holdfast.v1 import authorization_pb2 as pb
from holdfast.v1 import feedback_pb2
from loadtest.floors import SERVICE
from loadtest.histories import read_history
from loadtest.labelling import TELL, Labelling
from loadtest.replay import Answers, Pace, Replay, ReplayFailed, summarize

PACE = Pace(frame_messages=16, frames_in_flight=2, answer_timeout_s=20.0, connect_timeout_s=20.0)
PATIENT = Pace(16, 2, 20.0, 20.0, reconnect_timeout_s=20.0, recheck_messages=8)


class RuleIssuer:
    """
    Declines (59) what is above `decline_above_minor`, refuses amounts of 0 as bad, approves the rest.

    `break_after`: message counts after which a link is broken, once each, with the frame at hand decided but not
    answered. `forgetful`: answers a repeat as if it were new.
    """

    def __init__(self, *, decline_above_minor=10_000, break_after=(), forgetful=False):
        self.decline_above_minor = decline_above_minor
        self.break_after = sorted(break_after)
        self.forgetful = forgetful
        self.arrivals = []
        self.decided = {}
        self.holds = 0

    def answer(self, message):
        request = message.authorize
        key = request.key.retrieval_reference
        self.arrivals.append(key)
        if request.amount_minor == 0:
            fault = pb.Fault(status_code=3, message="bad amount", fields=["amount_minor"])
            return pb.LinkAnswer(sequence=message.sequence, fault=fault)
        if key in self.decided and not self.forgetful:
            again = pb.AuthorizeResponse()
            again.CopyFrom(self.decided[key])
            again.replayed = True
            return pb.LinkAnswer(sequence=message.sequence, authorize=again)
        self.holds += 1
        declined = request.amount_minor > self.decline_above_minor
        self.decided[key] = pb.AuthorizeResponse(
            response_code="59" if declined else "00",
            authorization_id=f"{self.holds:032x}",
            approved_amount_minor=0 if declined else request.amount_minor,
            risk_score=0.9 if declined else 0.1,
        )
        return pb.LinkAnswer(sequence=message.sequence, authorize=self.decided[key])

    async def link(self, _requests, context):
        while (data := await context.read()) is not grpc.aio.EOF:
            answers = [self.answer(message) for message in pb.LinkRequest.FromString(data).messages]
            if self.break_after and len(self.arrivals) >= self.break_after[0]:
                self.break_after.pop(0)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on command")
            await context.write(pb.LinkResponse(answers=answers).SerializeToString())

    async def take_labels(self, raw, _context):
        """Takes those of authorizations it decided; they stand among the arrivals."""
        response = feedback_pb2.LabelTransactionsResponse()
        known = {answer.authorization_id: key for key, answer in self.decided.items()}
        for label in feedback_pb2.LabelTransactionsRequest.FromString(raw).labels:
            self.arrivals.append((known.get(label.authorization_id), label.learnt_time.seconds))
            response.results.add(accepted=label.authorization_id in known)
        return response.SerializeToString()

    @asynccontextmanager
    async def serving(self):
        """Gives the target to reach this issuer by."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = {"Link": grpc.stream_stream_rpc_method_handler(self.link)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        service, method = TELL.strip("/").split("/")
        handlers = {method: grpc.unary_unary_rpc_method_handler(self.take_labels)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(grace=None)


@pytest.fixture
def history(sparkov_file):
    return read_history(sparkov_file)


def replay(history, issuer, pace=PACE, progress=None, labelling=None):
    async def run():
        async with issuer.serving() as target:
            going = Replay(history, target, pace=pace, labelling=labelling, progress=progress)
            return await going.run_async()

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_every_row_is_answered_in_the_files_order(history):
    """Messages arrive in file order, and each row gets the answer that the rule gives it."""
    heard = []
    issuer = RuleIssuer(decline_above_minor=10_000)
    answers = replay(history, issuer, progress=lambda done, total: heard.append((done, total)))
    assert issuer.arrivals == [f"{row:012d}" for row in range(len(history))]
    assert answers.answered.all()
    declined = history.amount_minor > 10_000
    assert (answers.code == np.where(declined, b"59", b"00")).all()
    assert (answers.approved_minor == np.where(declined, 0, history.amount_minor)).all()
    assert (answers.authorization_id[:, 0] == np.arange(1, len(history) + 1)).all()
    assert (answers.latency_ns > 0).all()
    assert heard[-1] == (len(history), len(history))


@pytest.mark.parametrize("break_after", [(), (60, 130)])
def test_frauds_are_told_between_the_rows_where_their_days_had_come_when_labels_are_replayed(
    history, break_after
):
    """After every row before that second, before every row from it on; also where the link breaks, in the order known."""
    history.is_fraud[::7] = True
    span_s = int(history.time_s[-1] - history.time_s[0])
    delay_s = span_s // 4
    labelling = Labelling(history, delay_s)
    issuer = RuleIssuer(break_after=break_after)
    assert replay(history, issuer, PATIENT, labelling=labelling).answered.all()
    due = [
        (f"{row:012d}", known_s)
        for row, known_s in enumerate((history.time_s + delay_s).tolist())
        if history.is_fraud[row] and known_s <= history.time_s[-1]
    ]
    told = [arrival for arrival in issuer.arrivals if isinstance(arrival, tuple)]
    assert told == due
    assert labelling.summary() == {"due": len(due), "told": len(due), "refused": []}
    first = {}
    for place, arrival in enumerate(issuer.arrivals):
        first.setdefault(arrival, place)
    for row, time_s in enumerate(history.time_s.tolist()):
        for label in due:
            assert (first[label] < first[f"{row:012d}"]) == (label[1] <= time_s)


def test_replay_goes_on_after_breaks_with_the_same_keys(history):
    """What was decided but not answered comes back as a repeat, what was answered is the same again, nothing twice."""
    issuer = RuleIssuer(break_after=(60, 130))
    answers = replay(history, issuer, PATIENT)
    assert answers.answered.all()
    assert (answers.breaks, answers.mismatched) == (2, 0)
    assert answers.rechecked >= 8
    assert answers.replayed.any()
    assert issuer.holds == len(history)


def test_server_that_forgets_its_answers_is_found_out(history):
    """Repeats that are decided anew are counted as mismatches."""
    answers = replay(history, RuleIssuer(break_after=(60,), forgetful=True), PATIENT)
    assert answers.mismatched == answers.rechecked > 0


def test_broken_link_ends_an_impatient_replay_with_how_far_it_came(history):
    """Without leave to reconnect, a break is an error that says where the replay stood and why."""
    # gRPC's own word for the break may come first, where a frame was being written.
    why = "(broken on command|Internal error from Core)"
    with pytest.raises(ReplayFailed, match=rf"after \d+ of 200 rows: {why}"):
        replay(history, RuleIssuer(break_after=(60,)))


def test_absent_server_is_named(history):
    """Nobody listening is said by address, after the time to connect."""
    with pytest.raises(ReplayFailed, match=r"127\.0\.0\.1:1 stopped answering after 0"):
        Replay(history, "127.0.0.1:1", pace=Pace(connect_timeout_s=0.2)).run()


def test_refused_message_is_a_fault_and_the_rest_goes_on(history):
    """A row that the server finds bad is counted with its field; the others are answered."""
    history.amount_minor[7] = 0
    answers = replay(history, RuleIssuer())
    assert (answers.fault_count, answers.code[7]) == (1, b"")
    assert answers.faults == ["row 7: bad amount (amount_minor)"]
    assert answers.answered.all()


def test_pace_refuses_frames_beyond_the_contract():
    """A frame carries up to 256 messages; the limit is checked before anything is sent."""
    with pytest.raises(ValueError, match="frame_messages must be 1"):
        Pace(frame_messages=257)


def test_summary_tells_fraud_caught_and_missed_and_false_positives(history):
    """Four rows with known answers give the counts and amounts that one can add by hand."""
    answers = Answers.empty(len(history))
    answers.answered[:4] = True
    answers.code[:4] = [b"59", b"00", b"1A", b"00"]
    answers.latency_ns[:4] = [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    answers.elapsed_s = 2.0
    history.is_fraud[:4] = [True, True, False, False]
    history.amount_minor[:4] = [100, 20, 3, 7]
    summary = summarize(history, answers)
    assert summary["fraud_caught"] == {"count": 1, "amount_minor": 100}
    assert summary["fraud_missed"] == {"count": 1, "amount_minor": 20}
    assert summary["false_positives"] == {"count": 1, "amount_minor": 3}
    assert summary["genuine"] == {"count": 2, "amount_minor": 10}
    assert summary["codes"] == {"00": 2, "59": 1, "1A": 1}
    assert summary["authorizations_per_s"] == 2.0
    assert summary["latency_ms"]["max"] == 4.0


def test_summary_of_nothing_answered_has_no_latency(history):
    """An empty replay is told as such, without a division by zero."""
    summary = summarize(history, Answers.empty(len(history)))
    assert summary["latency_ms"]["p99"] is None
    assert summary["authorizations_per_s"] == 0.0
