import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_FRAUD: _ClassVar[Verdict]
    VERDICT_DISPUTE: _ClassVar[Verdict]
    VERDICT_FALSE_POSITIVE: _ClassVar[Verdict]
VERDICT_UNSPECIFIED: Verdict
VERDICT_FRAUD: Verdict
VERDICT_DISPUTE: Verdict
VERDICT_FALSE_POSITIVE: Verdict

class Label(_message.Message):
    __slots__ = ("authorization_id", "verdict", "learnt_time", "source", "reported_by", "report_id")
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    LEARNT_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REPORTED_BY_FIELD_NUMBER: _ClassVar[int]
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    authorization_id: str
    verdict: Verdict
    learnt_time: _timestamp_pb2.Timestamp
    source: str
    reported_by: str
    report_id: str
    def __init__(self, authorization_id: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., learnt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[str] = ..., reported_by: _Optional[str] = ..., report_id: _Optional[str] = ...) -> None: ...

class LabelTransactionsRequest(_message.Message):
    __slots__ = ("labels",)
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...

class LabelTransactionsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[LabelResult]
    def __init__(self, results: _Optional[_Iterable[_Union[LabelResult, _Mapping]]] = ...) -> None: ...

class LabelResult(_message.Message):
    __slots__ = ("authorization_id", "accepted", "replayed", "standing", "errors")
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    authorization_id: str
    accepted: bool
    replayed: bool
    standing: Verdict
    errors: _containers.RepeatedCompositeFieldContainer[LabelError]
    def __init__(self, authorization_id: _Optional[str] = ..., accepted: _Optional[bool] = ..., replayed: _Optional[bool] = ..., standing: _Optional[_Union[Verdict, str]] = ..., errors: _Optional[_Iterable[_Union[LabelError, _Mapping]]] = ...) -> None: ...

class LabelError(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class ListLabelsRequest(_message.Message):
    __slots__ = ("authorization_id",)
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    authorization_id: str
    def __init__(self, authorization_id: _Optional[str] = ...) -> None: ...

class ListLabelsResponse(_message.Message):
    __slots__ = ("labels",)
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[StoredLabel]
    def __init__(self, labels: _Optional[_Iterable[_Union[StoredLabel, _Mapping]]] = ...) -> None: ...

class StoredLabel(_message.Message):
    __slots__ = ("label", "received_time", "standing", "learnt")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    LEARNT_FIELD_NUMBER: _ClassVar[int]
    label: Label
    received_time: _timestamp_pb2.Timestamp
    standing: bool
    learnt: bool
    def __init__(self, label: _Optional[_Union[Label, _Mapping]] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., standing: _Optional[bool] = ..., learnt: _Optional[bool] = ...) -> None: ...
