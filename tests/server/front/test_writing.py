"""Answers encoded by the kernel against those that the protobuf library makes."""

import numpy as np
import pytest

from holdfast.v1 import authorization_pb2 as pb
from scoring.reason_codes import ReasonCode
from server.core.names import NAME_BYTES_MAX, Names
from server.core.policy import CHECKS, Check, names
from server.core.record import DECISION, NAMED_MAX, Operation, id_hex
from server.front.codes import currency_letters
from server.front.writing import AnswerWriter

LIMITS = {1: "count_1m", 2: "täglich", 7: "x" * NAME_BYTES_MAX}
RULES = {3: "too_far", 200: "r" * NAME_BYTES_MAX}


def names_of():
    """A few limits and rules; numbers between have no names."""
    made = Names()
    made.take(LIMITS, RULES)
    return made


def decisions_of(count, seed):
    """Random DECISION records, with the edges of every field among them."""
    chance = np.random.default_rng(seed)
    decisions = np.zeros(count, DECISION)
    decisions["operation"] = chance.choice([Operation.AUTHORIZE, Operation.REVERSE], count, p=[0.8, 0.2])
    decisions["response_code"] = chance.choice([b"00", b"10", b"51", b"1A", b"N7", b"94"], count)
    decisions["authorization_code"] = chance.choice([b"", b"A1B2C3"], count)
    decisions["authorization_id"] = chance.integers(0, 2**64, (count, 2), np.uint64)
    decisions["authorization_id"][::7] = 0
    decisions["approved_minor"] = chance.choice([0, 1, 127, 128, 2**63 - 1], count)
    decisions["available_minor"] = chance.choice([0, -1, -(2**63), 300, 2**63 - 1], count)
    decisions["billing_currency"] = chance.choice([0, 840, 392, 8], count)
    decisions["risk_score"] = chance.choice([0.0, 0.5, 1.0, 1e-7], count)
    decisions["reasons"] = chance.choice([0, 1, (1 << len(Check)) - 1, 1 << 33 | 1 << 40], count)
    decisions["limits_passed"] = chance.choice([0, 1, 2, 5, 7, 9_999], (count, NAMED_MAX))
    decisions["rules_hit"] = chance.choice([0, 0, 3, 4, 200, 201], (count, NAMED_MAX))
    decisions["score_reasons"] = chance.choice([0, 0, 1, 23, 255], (count, NAMED_MAX))
    decisions["replayed"] = chance.integers(0, 2, count)
    decisions["stand_in"] = chance.integers(0, 2, count)
    return decisions


def by_library(decision):
    """The answer as the protobuf library's objects say it."""
    code = decision["response_code"].decode()
    if decision["operation"] == Operation.REVERSE:
        return pb.ReverseResponse(
            response_code=code,
            released_minor=int(decision["approved_minor"]),
            replayed=bool(decision["replayed"]),
        )
    return pb.AuthorizeResponse(
        response_code=code,
        authorization_code=decision["authorization_code"].decode(),
        authorization_id=id_hex(decision["authorization_id"]) if decision["authorization_id"].any() else "",
        approved_amount_minor=int(decision["approved_minor"]),
        billing_currency=currency_letters().get(int(decision["billing_currency"]), ""),
        available_minor=int(decision["available_minor"]),
        risk_score=float(decision["risk_score"]),
        reasons=[
            *names(int(decision["reasons"])),
            *(RULES[number] for number in decision["rules_hit"].tolist() if number in RULES),
            *(
                ReasonCode(number).name
                for number in decision["score_reasons"].tolist()
                if number in set(ReasonCode)
            ),
        ],
        velocity_flags=[LIMITS[number] for number in decision["limits_passed"].tolist() if number in LIMITS],
        replayed=bool(decision["replayed"]),
        stand_in=bool(decision["stand_in"]),
    )


def test_single_answer_is_the_librarys_bytes():
    """Each kind of answer, with defaults left out as proto3 leaves them out."""
    writer = AnswerWriter(names_of())
    decisions = decisions_of(300, seed=1)
    for place, decision in enumerate(decisions):
        assert writer.answer(decisions[place : place + 1]) == by_library(decision).SerializeToString()


@pytest.mark.parametrize("count", [1, 2, 31, 256])
def test_frame_of_answers_is_the_librarys_bytes(count):
    """Answers with their sequences, to the largest frame and the largest sequence."""
    decisions = decisions_of(count, seed=count)
    sequences = [0, 2**64 - 1, *range(1, count)][:count]
    frame = pb.LinkResponse()
    for sequence, decision in zip(sequences, decisions, strict=True):
        body = "reverse" if decision["operation"] == Operation.REVERSE else "authorize"
        frame.answers.add(sequence=sequence, **{body: by_library(decision)})
    assert AnswerWriter(names_of()).link_answers(sequences, decisions) == frame.SerializeToString()


def test_longest_answer_fits_its_room():
    """Every reason at once, and the longest names, are written whole."""
    decision = decisions_of(1, seed=5)
    decision["operation"], decision["reasons"] = Operation.AUTHORIZE, (1 << len(Check)) - 1
    decision["limits_passed"], decision["rules_hit"], decision["score_reasons"] = 7, 200, 23
    written = AnswerWriter(names_of()).answer(decision)
    assert written == by_library(decision[0]).SerializeToString()
    assert len(written) > sum(len(rule.name) for rule in CHECKS.values()) + 8 * NAME_BYTES_MAX


def test_a_name_given_while_answers_are_written_is_in_the_next_one():
    """The writer reads the names as they stand."""
    given = Names()
    writer = AnswerWriter(given)
    decision = np.zeros(1, DECISION)
    decision["operation"], decision["limits_passed"][0, 0] = Operation.AUTHORIZE, 4
    assert list(pb.AuthorizeResponse.FromString(writer.answer(decision)).velocity_flags) == []
    given.take({4: "hourly"}, {})
    assert list(pb.AuthorizeResponse.FromString(writer.answer(decision)).velocity_flags) == ["hourly"]
