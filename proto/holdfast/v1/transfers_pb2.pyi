import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransferKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_KIND_UNSPECIFIED: _ClassVar[TransferKind]
    TRANSFER_KIND_INTERNAL: _ClassVar[TransferKind]
    TRANSFER_KIND_ACH: _ClassVar[TransferKind]
    TRANSFER_KIND_WIRE: _ClassVar[TransferKind]
    TRANSFER_KIND_RTP: _ClassVar[TransferKind]
    TRANSFER_KIND_SWIFT: _ClassVar[TransferKind]
    TRANSFER_KIND_CASH_DEPOSIT: _ClassVar[TransferKind]
    TRANSFER_KIND_CASH_WITHDRAWAL: _ClassVar[TransferKind]

class TransferDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_DIRECTION_UNSPECIFIED: _ClassVar[TransferDirection]
    TRANSFER_DIRECTION_IN: _ClassVar[TransferDirection]
    TRANSFER_DIRECTION_OUT: _ClassVar[TransferDirection]

class TransferState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_STATE_UNSPECIFIED: _ClassVar[TransferState]
    TRANSFER_STATE_SUBMITTED: _ClassVar[TransferState]
    TRANSFER_STATE_PENDING_REVIEW: _ClassVar[TransferState]
    TRANSFER_STATE_DECIDING: _ClassVar[TransferState]
    TRANSFER_STATE_POSTED: _ClassVar[TransferState]
    TRANSFER_STATE_REJECTED: _ClassVar[TransferState]
    TRANSFER_STATE_BLOCKED: _ClassVar[TransferState]
    TRANSFER_STATE_FAILED: _ClassVar[TransferState]
    TRANSFER_STATE_REVERSING: _ClassVar[TransferState]
    TRANSFER_STATE_REVERSED: _ClassVar[TransferState]

class TransferDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_DECISION_UNSPECIFIED: _ClassVar[TransferDecision]
    TRANSFER_DECISION_APPROVE: _ClassVar[TransferDecision]
    TRANSFER_DECISION_REJECT: _ClassVar[TransferDecision]
    TRANSFER_DECISION_BLOCK: _ClassVar[TransferDecision]
TRANSFER_KIND_UNSPECIFIED: TransferKind
TRANSFER_KIND_INTERNAL: TransferKind
TRANSFER_KIND_ACH: TransferKind
TRANSFER_KIND_WIRE: TransferKind
TRANSFER_KIND_RTP: TransferKind
TRANSFER_KIND_SWIFT: TransferKind
TRANSFER_KIND_CASH_DEPOSIT: TransferKind
TRANSFER_KIND_CASH_WITHDRAWAL: TransferKind
TRANSFER_DIRECTION_UNSPECIFIED: TransferDirection
TRANSFER_DIRECTION_IN: TransferDirection
TRANSFER_DIRECTION_OUT: TransferDirection
TRANSFER_STATE_UNSPECIFIED: TransferState
TRANSFER_STATE_SUBMITTED: TransferState
TRANSFER_STATE_PENDING_REVIEW: TransferState
TRANSFER_STATE_DECIDING: TransferState
TRANSFER_STATE_POSTED: TransferState
TRANSFER_STATE_REJECTED: TransferState
TRANSFER_STATE_BLOCKED: TransferState
TRANSFER_STATE_FAILED: TransferState
TRANSFER_STATE_REVERSING: TransferState
TRANSFER_STATE_REVERSED: TransferState
TRANSFER_DECISION_UNSPECIFIED: TransferDecision
TRANSFER_DECISION_APPROVE: TransferDecision
TRANSFER_DECISION_REJECT: TransferDecision
TRANSFER_DECISION_BLOCK: TransferDecision

class Counterparty(_message.Message):
    __slots__ = ("name", "account", "bank_id", "bank_name", "address", "country")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    BANK_ID_FIELD_NUMBER: _ClassVar[int]
    BANK_NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    name: str
    account: str
    bank_id: str
    bank_name: str
    address: str
    country: str
    def __init__(self, name: _Optional[str] = ..., account: _Optional[str] = ..., bank_id: _Optional[str] = ..., bank_name: _Optional[str] = ..., address: _Optional[str] = ..., country: _Optional[str] = ...) -> None: ...

class Conductor(_message.Message):
    __slots__ = ("name", "address", "birth_date", "id_type", "id_number", "id_country")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BIRTH_DATE_FIELD_NUMBER: _ClassVar[int]
    ID_TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ID_COUNTRY_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    birth_date: str
    id_type: str
    id_number: str
    id_country: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., birth_date: _Optional[str] = ..., id_type: _Optional[str] = ..., id_number: _Optional[str] = ..., id_country: _Optional[str] = ...) -> None: ...

class CreateTransferRequest(_message.Message):
    __slots__ = ("idempotency_key", "kind", "direction", "account_number", "payee_account", "amount_minor", "currency", "fee_minor", "counterparty", "holder_address", "conductor", "purpose", "branch")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAYEE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    FEE_MINOR_FIELD_NUMBER: _ClassVar[int]
    COUNTERPARTY_FIELD_NUMBER: _ClassVar[int]
    HOLDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CONDUCTOR_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    kind: TransferKind
    direction: TransferDirection
    account_number: int
    payee_account: int
    amount_minor: int
    currency: str
    fee_minor: int
    counterparty: Counterparty
    holder_address: str
    conductor: Conductor
    purpose: str
    branch: str
    def __init__(self, idempotency_key: _Optional[str] = ..., kind: _Optional[_Union[TransferKind, str]] = ..., direction: _Optional[_Union[TransferDirection, str]] = ..., account_number: _Optional[int] = ..., payee_account: _Optional[int] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., fee_minor: _Optional[int] = ..., counterparty: _Optional[_Union[Counterparty, _Mapping]] = ..., holder_address: _Optional[str] = ..., conductor: _Optional[_Union[Conductor, _Mapping]] = ..., purpose: _Optional[str] = ..., branch: _Optional[str] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("transfer_id", "state", "reason", "request", "payer_minor", "payer_currency", "payee_minor", "payee_currency", "rate", "spread_bps", "rate_date", "review_reasons", "decision", "decided_by", "decision_reason", "decision_time", "reversal_reason", "create_time", "change_time", "events", "replayed")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PAYER_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAYER_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PAYEE_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAYEE_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    SPREAD_BPS_FIELD_NUMBER: _ClassVar[int]
    RATE_DATE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_REASONS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECISION_REASON_FIELD_NUMBER: _ClassVar[int]
    DECISION_TIME_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    state: TransferState
    reason: str
    request: CreateTransferRequest
    payer_minor: int
    payer_currency: str
    payee_minor: int
    payee_currency: str
    rate: str
    spread_bps: int
    rate_date: str
    review_reasons: _containers.RepeatedScalarFieldContainer[str]
    decision: TransferDecision
    decided_by: str
    decision_reason: str
    decision_time: _timestamp_pb2.Timestamp
    reversal_reason: str
    create_time: _timestamp_pb2.Timestamp
    change_time: _timestamp_pb2.Timestamp
    events: _containers.RepeatedCompositeFieldContainer[TransferEvent]
    replayed: bool
    def __init__(self, transfer_id: _Optional[str] = ..., state: _Optional[_Union[TransferState, str]] = ..., reason: _Optional[str] = ..., request: _Optional[_Union[CreateTransferRequest, _Mapping]] = ..., payer_minor: _Optional[int] = ..., payer_currency: _Optional[str] = ..., payee_minor: _Optional[int] = ..., payee_currency: _Optional[str] = ..., rate: _Optional[str] = ..., spread_bps: _Optional[int] = ..., rate_date: _Optional[str] = ..., review_reasons: _Optional[_Iterable[str]] = ..., decision: _Optional[_Union[TransferDecision, str]] = ..., decided_by: _Optional[str] = ..., decision_reason: _Optional[str] = ..., decision_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reversal_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[_Iterable[_Union[TransferEvent, _Mapping]]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class TransferEvent(_message.Message):
    __slots__ = ("state", "actor", "reason", "time")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    state: TransferState
    actor: str
    reason: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[TransferState, str]] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetTransferRequest(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class ListTransfersRequest(_message.Message):
    __slots__ = ("account_number", "kind", "state", "start_time", "end_time", "amount_min_minor", "amount_max_minor", "page_size", "page_token")
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MIN_MINOR_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MAX_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    kind: TransferKind
    state: TransferState
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    amount_min_minor: int
    amount_max_minor: int
    page_size: int
    page_token: str
    def __init__(self, account_number: _Optional[int] = ..., kind: _Optional[_Union[TransferKind, str]] = ..., state: _Optional[_Union[TransferState, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount_min_minor: _Optional[int] = ..., amount_max_minor: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTransfersResponse(_message.Message):
    __slots__ = ("transfers", "next_page_token")
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[Transfer]
    next_page_token: str
    def __init__(self, transfers: _Optional[_Iterable[_Union[Transfer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DecideTransferRequest(_message.Message):
    __slots__ = ("transfer_id", "decision", "decided_by", "reason")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    decision: TransferDecision
    decided_by: str
    reason: str
    def __init__(self, transfer_id: _Optional[str] = ..., decision: _Optional[_Union[TransferDecision, str]] = ..., decided_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReverseTransferRequest(_message.Message):
    __slots__ = ("transfer_id", "reason")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    reason: str
    def __init__(self, transfer_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
