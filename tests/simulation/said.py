"""One request with its answer, as the journal has them, in plain numbers."""

from dataclasses import dataclass

from server.core.record import Operation

DAY_S = 86_400
OURS = (Operation.EXPIRE, Operation.BOOK, Operation.DISOWN)
"""Nobody sends them: the core asks for them itself."""


@dataclass
class Said:
    """One request with its answer, as plain numbers."""

    sequence: int
    operation: Operation
    key: tuple
    original: tuple
    card: int
    kind: int
    amount: int
    rest: int
    cumulative: bool
    final: bool
    credit: bool
    given: str
    partial: bool
    day: int
    code: str
    approved: int
    released: int
    overdrawn: int
    part: int
    owed: int
    stand_in: bool
    from_s: float
    to_s: float

    def __str__(self):
        return (
            f"{self.operation.name} {self.sequence} of {self.amount} on card {self.card} answered {self.code}"
        )


def said(disk, sequence, sent):
    """What the disk has of one request and its answer; `sent` are the messages by key."""
    (intent,), at_s = disk.intents[sequence]
    (decision,), decided_s = disk.decisions[sequence]
    request = intent["request"]
    key = tuple(request["authorization_id"].tolist())
    asked = sent.get(key)
    operation = Operation(int(request["operation"]))
    assert asked is not None or operation in OURS, f"nobody asked for request {sequence}"
    return Said(
        sequence=sequence,
        operation=operation,
        key=key,
        original=tuple(request["original_id"].tolist()),
        card=int(request["card_key"][0]) - 1,
        kind=int(request["transaction_type"]),
        amount=int(request["amount_minor"]),
        rest=int(request["remaining_minor"]),
        cumulative=bool(request["cumulative"]),
        final=bool(request["final"]),
        credit=bool(request["credit"]),
        given=request["given_code"].decode(),
        partial=bool(request["partial_approval_allowed"]),
        day=int(request["transmission_s"]) // DAY_S,
        code=decision["response_code"].decode(),
        approved=int(decision["approved_minor"]),
        released=int(decision["released_minor"]),
        overdrawn=int(decision["overdrawn_minor"]),
        part=int(decision["part_minor"]),
        owed=int(decision["owed_minor"]),
        stand_in=bool(decision["stand_in"]),
        from_s=at_s if asked is None else asked.sent_s[0],
        to_s=decided_s,
    )
