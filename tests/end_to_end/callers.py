"""Clients of the contract: plain requests, raw bytes, links; every wait bounded."""

import collections
import itertools
import queue
import secrets
import time
from contextlib import contextmanager

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from server.store.portfolio import demo_pan

CALL_TIMEOUT_S = 30.0
LINK_TIMEOUT_S = 120.0
_RUN = secrets.randbelow(10**5)
_numbers = itertools.count(1)


def fresh_key(*, sent_s=None):
    """A key that no other message of this run has."""
    number = next(_numbers)
    key = pb.MessageKey(
        acquirer_id="123456",
        stan=number % 1_000_000,
        retrieval_reference=f"{_RUN:05d}{number:07d}",
        terminal_id="TERM0001",
    )
    key.transmission_time.seconds = int(time.time()) if sent_s is None else sent_s
    return key


def purchase(card, amount_minor=1_000, **changes):
    """A plain chip purchase at a grocer's with demo card number `card`; `changes` are fields of the request."""
    request = pb.AuthorizeRequest(
        key=fresh_key(),
        pan=demo_pan(card),
        transaction_type=pb.TRANSACTION_TYPE_PURCHASE,
        amount_minor=amount_minor,
        currency="USD",
        merchant=pb.Merchant(
            merchant_id="M000000001",
            name="Corner Grocer",
            city="New York",
            country="US",
            category_code="5411",
        ),
        entry_mode=pb.ENTRY_MODE_CHIP,
        card_present=True,
        expiry_yymm=3012,
    )
    request.local_time.seconds = int(time.time()) // 86_400 * 86_400 + 12 * 3600
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def funded_minor(card):
    """What demo card number `card` holds before its first purchase."""
    return 100_000 + card % 10_000 * 100


def reversal(original=None, **changes):
    """A full reversal of a request, by its key."""
    request = pb.ReverseRequest(key=fresh_key(), **changes)
    if original is not None:
        request.original.CopyFrom(original.key)
    return request


def increment(authorization_id, amount_minor, **changes):
    """A raise of what an authorization holds."""
    return pb.IncrementRequest(
        key=fresh_key(), authorization_id=authorization_id, amount_minor=amount_minor, **changes
    )


def clear(authorization_id="", amount_minor=1_000, *, final=True, **changes):
    """A presentment."""
    return pb.ClearRequest(
        key=fresh_key(),
        authorization_id=authorization_id,
        amount_minor=amount_minor,
        final=final,
        **changes,
    )


def advise(original, response_code="00", **changes):
    """What the network answered to a request in our stead."""
    return pb.AdviseRequest(
        original=original, response_code=response_code, authorization_code="NETW01", **changes
    )


def same(first, again):
    """Whether two answers are equal in every field but `replayed`."""
    copies = []
    for answer in (first, again):
        copy = type(answer)()
        copy.CopyFrom(answer)
        copy.replayed = False
        copies.append(copy)
    return copies[0] == copies[1]


class Refused(Exception):  # noqa: N818 - what happened
    """A call ended with a status; the bad fields, where it names them."""

    def __init__(self, error):
        self.code = error.code()
        self.details = error.details()
        self.fields = {}
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(bad):
                self.fields.update({v.field: v.description for v in bad.field_violations})
        super().__init__(f"{self.code.name}: {self.details} {sorted(self.fields)}")


class Caller:
    """Unary calls on one channel."""

    def __init__(self, channel):
        self._channel = channel

    def raw(self, method, data):
        """Bytes in, bytes out. Raises Refused."""
        try:
            return self._channel.unary_unary(f"/{SERVICE}/{method}")(data, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def authorize(self, request):
        """The answer to an AuthorizeRequest."""
        return pb.AuthorizeResponse.FromString(self.raw("Authorize", request.SerializeToString()))

    def reverse(self, request):
        """The answer to a ReverseRequest."""
        return pb.ReverseResponse.FromString(self.raw("Reverse", request.SerializeToString()))

    def ask(self, request):
        """The answer to any message about an authorization."""
        method, answer = _METHODS[type(request)]
        return answer.FromString(self.raw(method, request.SerializeToString()))

    def explain(self, authorization_id):
        """The explanation of an authorization."""
        request = pb.ExplainRequest(authorization_id=authorization_id)
        return pb.Explanation.FromString(self.raw("Explain", request.SerializeToString()))

    def account_status(self, card):
        """The answer to an account status, which changes nothing."""
        return self.authorize(purchase(card, 0, transaction_type=pb.TRANSACTION_TYPE_ACCOUNT_STATUS))

    def available_minor(self, card):
        """What the card has left: asked by an account status."""
        answer = self.account_status(card)
        assert answer.response_code == "85", answer
        return answer.available_minor

    def later(self, request):
        """The future of an AuthorizeRequest's raw answer."""
        call = self._channel.unary_unary(f"/{SERVICE}/Authorize")
        return call.future(request.SerializeToString(), timeout=CALL_TIMEOUT_S)


def obeyed_after_s(obeys, timeout_s):
    """
    Ask until it obeys: when, from now on, the last asking that did not was sent; 0 where the first one did.

    Whatever was asked after that obeyed, however long a crowded machine then took over the answer.
    """
    began_s = time.monotonic()
    last_s = 0.0
    while True:
        sent_s = time.monotonic() - began_s
        if obeys():
            return last_s
        assert sent_s < timeout_s, f"not obeyed after {sent_s:.1f} s"
        last_s = sent_s


class LinkCaller:
    """One link: frames in, answers by sequence out."""

    def __init__(self, channel):
        self._frames = queue.SimpleQueue()
        self._call = channel.stream_stream(f"/{SERVICE}/Link")(
            iter(self._frames.get, None), timeout=LINK_TIMEOUT_S
        )

    def send_raw(self, frame):
        """Send a frame as bytes."""
        self._frames.put(frame)

    def send(self, **messages):
        """Send a frame of messages by what they are: `s1=request` is a message with sequence 1."""
        self.send_all({int(name[1:]): message for name, message in messages.items()})

    def send_all(self, messages):
        """Send a frame of messages by sequence."""
        frame = pb.LinkRequest()
        for sequence, message in messages.items():
            entry = frame.messages.add(sequence=sequence)
            body = _BODIES[type(message)]
            if body is not None:
                getattr(entry, body).CopyFrom(message)
                getattr(entry, body).SetInParent()
        self.send_raw(frame.SerializeToString())

    def end(self):
        """Say that nothing more comes."""
        self._frames.put(None)

    def answers(self, count):
        """The next `count` answers by sequence. Raises Refused where the link ends before."""
        found = {}
        while len(found) < count:
            found.update({answer.sequence: answer for answer in self.next_answers()})
        return found

    def next_answers(self):
        """The answers of the next frame. Raises Refused where the link ends."""
        try:
            return list(pb.LinkResponse.FromString(next(self._call)).answers)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def rest(self):
        """Answers by sequence until the link ends."""
        found = {}
        try:
            for raw in self._call:
                found.update({answer.sequence: answer for answer in pb.LinkResponse.FromString(raw).answers})
        except grpc.RpcError as error:
            raise Refused(error) from None
        return found

    def cancel(self):
        """Drop the link."""
        self.end()
        self._call.cancel()


class Persistent:
    """
    Messages sent in order through one link after the other, until each has its answer.

    After a break, what was not answered is sent again under its old key, and so are the last answered ones, whose
    answers must be the first ones again.
    """

    def __init__(self, target, messages, *, frame_messages=32, window_messages=256, recheck_messages=64):
        self.answers = {}
        """First answers by sequence: AuthorizeResponse or ReverseResponse."""
        self.breaks = 0
        self.rechecked = 0
        self.mismatched = []
        self._target = target
        self._messages = messages
        self._frame_messages = frame_messages
        self._window_messages = window_messages
        self._recent = collections.deque(maxlen=recheck_messages)

    def run(self, progress):
        """Send until all is answered; `progress(count)` hears of each frame of answers, and may do anything."""
        while len(self.answers) < len(self._messages):
            with connected(self._target) as channel:
                grpc.channel_ready_future(channel).result(LINK_TIMEOUT_S)
                link = LinkCaller(channel)
                try:
                    self._talk(link, progress)
                except Refused:
                    self.breaks += 1
                finally:
                    link.cancel()

    def _talk(self, link, progress):
        checking = set(self._recent) if self.breaks else set()
        waiting = collections.deque([k for k in self._messages if k in checking or k not in self.answers])
        outstanding = 0
        while waiting or outstanding:
            while waiting and outstanding + self._frame_messages <= self._window_messages:
                frame = [waiting.popleft() for _ in range(min(self._frame_messages, len(waiting)))]
                link.send_all({sequence: self._messages[sequence] for sequence in frame})
                outstanding += len(frame)
            for answer in link.next_answers():
                outstanding -= 1
                self._take(answer, checking)
            progress(len(self.answers))

    def _take(self, answer, checking):
        body = getattr(answer, answer.WhichOneof("body"))
        if answer.sequence in checking:
            self.rechecked += 1
            if not (body.replayed and same(self.answers[answer.sequence], body)):
                self.mismatched.append((self.answers[answer.sequence], body))
            return
        self.answers[answer.sequence] = body
        self._recent.append(answer.sequence)


_BODIES = {
    pb.AuthorizeRequest: "authorize",
    pb.IncrementRequest: "increment",
    pb.ReverseRequest: "reverse",
    pb.AdviseRequest: "advise",
    pb.ClearRequest: "clear",
    pb.Echo: "echo",
    type(None): None,
}


@contextmanager
def calling(target, credentials=None):
    """A Caller on a channel of its own."""
    with connected(target, credentials) as channel:
        yield Caller(channel)


@contextmanager
def linked(target, credentials=None):
    """A LinkCaller on a channel of its own."""
    with connected(target, credentials) as channel:
        link = LinkCaller(channel)
        try:
            yield link
        finally:
            link.cancel()


@contextmanager
def connected(target, credentials=None):
    """A channel of its own, with no retries; without `credentials` plain."""
    options = [
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", 16 << 20),
        ("grpc.initial_reconnect_backoff_ms", 100),
        (
            "grpc.min_reconnect_backoff_ms",
            5_000,
        ),  # how long a handshake may take; tries begin by the other two
        ("grpc.max_reconnect_backoff_ms", 500),
    ]
    if credentials is None:
        channel = grpc.insecure_channel(target, options=options)
    else:
        channel = grpc.secure_channel(target, credentials, options=options)
    with channel:
        yield channel


_METHODS = {
    pb.IncrementRequest: ("Increment", pb.AuthorizeResponse),
    pb.ReverseRequest: ("Reverse", pb.ReverseResponse),
    pb.AdviseRequest: ("Advise", pb.AdviseResponse),
    pb.ClearRequest: ("Clear", pb.ClearResponse),
}
