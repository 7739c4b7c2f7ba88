"""Messages of any type, with anything in their fields: for methods that must refuse what is bad by its name."""

from google.protobuf import descriptor, descriptor_pool, message_factory
from hypothesis import strategies as st

import holdfast.v1.accounts_pb2
import holdfast.v1.authorization_pb2
import holdfast.v1.compliance_pb2
import holdfast.v1.feedback_pb2
import holdfast.v1.transfers_pb2  # noqa: F401 - each tells the pool its part of the contract

DEPTH_MAX = 3
LIKELY = ["", "USD", "US", "1", "0" * 32, "k", "2026-01-01", "alice"]
_KIND = descriptor.FieldDescriptor


def unary_methods(service):
    """Names of a service's methods that take one message, each with the type of that."""
    found = descriptor_pool.Default().FindServiceByName(f"holdfast.v1.{service}")
    return {
        method.name: method.input_type
        for method in found.methods
        if not method.client_streaming and not method.server_streaming
    }


def _numbers(bits, *, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.integers(max(low, -2), 5), st.integers(low, high))


_VALUES = {
    _KIND.CPPTYPE_STRING: st.one_of(st.sampled_from(LIKELY), st.text(max_size=40)),
    _KIND.CPPTYPE_INT32: _numbers(32, signed=True),
    _KIND.CPPTYPE_ENUM: _numbers(32, signed=True),
    _KIND.CPPTYPE_INT64: _numbers(64, signed=True),
    _KIND.CPPTYPE_UINT32: _numbers(32, signed=False),
    _KIND.CPPTYPE_UINT64: _numbers(64, signed=False),
    _KIND.CPPTYPE_BOOL: st.booleans(),
    _KIND.CPPTYPE_DOUBLE: st.floats(),
    _KIND.CPPTYPE_FLOAT: st.floats(width=32),
}


def _value(draw, field, depth):
    if field.cpp_type == _KIND.CPPTYPE_MESSAGE:
        return draw(message_of(field.message_type, depth + 1))
    if field.type == _KIND.TYPE_BYTES:
        return draw(st.binary(max_size=40))
    return draw(_VALUES[field.cpp_type])


@st.composite
def message_of(draw, kind, depth=0):
    """A message of this descriptor: any of its fields, with likely and unlikely values."""
    values = {}
    for field in kind.fields:
        if (depth >= DEPTH_MAX and field.cpp_type == _KIND.CPPTYPE_MESSAGE) or not draw(st.booleans()):
            continue
        if field.is_repeated:
            values[field.name] = [_value(draw, field, depth) for _ in range(draw(st.integers(1, 3)))]
        else:
            values[field.name] = _value(draw, field, depth)
    return message_factory.GetMessageClass(kind)(**values)


@st.composite
def bytes_of(draw, kind):
    """A message's bytes, as they are, cut, or with some of them changed; or any bytes at all."""
    data = bytearray(draw(message_of(kind)).SerializeToString())
    damage = draw(st.sampled_from(["none", "changed", "cut", "other"]))
    if damage == "other":
        return draw(st.binary(max_size=200))
    if damage == "changed" and data:
        for _ in range(draw(st.integers(1, 4))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if damage == "cut":
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)
