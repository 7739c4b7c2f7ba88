import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_STATE_UNSPECIFIED: _ClassVar[AccountState]
    ACCOUNT_STATE_OPEN: _ClassVar[AccountState]
    ACCOUNT_STATE_CLOSING: _ClassVar[AccountState]
    ACCOUNT_STATE_CLOSED: _ClassVar[AccountState]
ACCOUNT_STATE_UNSPECIFIED: AccountState
ACCOUNT_STATE_OPEN: AccountState
ACCOUNT_STATE_CLOSING: AccountState
ACCOUNT_STATE_CLOSED: AccountState

class Account(_message.Message):
    __slots__ = ("account_number", "customer_number", "currency", "state", "credit_limit_minor", "written_number", "open_time", "replayed")
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREDIT_LIMIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    customer_number: int
    currency: str
    state: AccountState
    credit_limit_minor: int
    written_number: str
    open_time: _timestamp_pb2.Timestamp
    replayed: bool
    def __init__(self, account_number: _Optional[int] = ..., customer_number: _Optional[int] = ..., currency: _Optional[str] = ..., state: _Optional[_Union[AccountState, str]] = ..., credit_limit_minor: _Optional[int] = ..., written_number: _Optional[str] = ..., open_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class OpenAccountRequest(_message.Message):
    __slots__ = ("idempotency_key", "customer_number", "currency", "credit_limit_minor")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CREDIT_LIMIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    customer_number: int
    currency: str
    credit_limit_minor: int
    def __init__(self, idempotency_key: _Optional[str] = ..., customer_number: _Optional[int] = ..., currency: _Optional[str] = ..., credit_limit_minor: _Optional[int] = ...) -> None: ...

class CloseAccountRequest(_message.Message):
    __slots__ = ("account_number",)
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    def __init__(self, account_number: _Optional[int] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account_number",)
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    def __init__(self, account_number: _Optional[int] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("account_number",)
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    def __init__(self, account_number: _Optional[int] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("account_number", "currency", "current_minor", "pending_out_minor", "pending_in_minor", "available_minor", "overdraft_minor", "owed_minor", "credit_limit_minor")
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CURRENT_MINOR_FIELD_NUMBER: _ClassVar[int]
    PENDING_OUT_MINOR_FIELD_NUMBER: _ClassVar[int]
    PENDING_IN_MINOR_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_MINOR_FIELD_NUMBER: _ClassVar[int]
    OWED_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_LIMIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    currency: str
    current_minor: int
    pending_out_minor: int
    pending_in_minor: int
    available_minor: int
    overdraft_minor: int
    owed_minor: int
    credit_limit_minor: int
    def __init__(self, account_number: _Optional[int] = ..., currency: _Optional[str] = ..., current_minor: _Optional[int] = ..., pending_out_minor: _Optional[int] = ..., pending_in_minor: _Optional[int] = ..., available_minor: _Optional[int] = ..., overdraft_minor: _Optional[int] = ..., owed_minor: _Optional[int] = ..., credit_limit_minor: _Optional[int] = ...) -> None: ...

class GetStatementRequest(_message.Message):
    __slots__ = ("account_number", "start_time", "end_time", "page_size", "page_token", "as_of")
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, account_number: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Statement(_message.Message):
    __slots__ = ("account_number", "currency", "lines", "opening_minor", "closing_minor", "next_page_token", "as_of_minor")
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    OPENING_MINOR_FIELD_NUMBER: _ClassVar[int]
    CLOSING_MINOR_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MINOR_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    currency: str
    lines: _containers.RepeatedCompositeFieldContainer[StatementLine]
    opening_minor: int
    closing_minor: int
    next_page_token: str
    as_of_minor: int
    def __init__(self, account_number: _Optional[int] = ..., currency: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[StatementLine, _Mapping]]] = ..., opening_minor: _Optional[int] = ..., closing_minor: _Optional[int] = ..., next_page_token: _Optional[str] = ..., as_of_minor: _Optional[int] = ...) -> None: ...

class StatementLine(_message.Message):
    __slots__ = ("ledger_transfer_id", "origin_id", "time", "kind", "amount_minor", "booked_minor", "balance_minor", "state", "other_side")
    LEDGER_TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    BOOKED_MINOR_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OTHER_SIDE_FIELD_NUMBER: _ClassVar[int]
    ledger_transfer_id: str
    origin_id: str
    time: _timestamp_pb2.Timestamp
    kind: str
    amount_minor: int
    booked_minor: int
    balance_minor: int
    state: str
    other_side: str
    def __init__(self, ledger_transfer_id: _Optional[str] = ..., origin_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., amount_minor: _Optional[int] = ..., booked_minor: _Optional[int] = ..., balance_minor: _Optional[int] = ..., state: _Optional[str] = ..., other_side: _Optional[str] = ...) -> None: ...

class SetCreditLimitRequest(_message.Message):
    __slots__ = ("account_number", "credit_limit_minor")
    ACCOUNT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CREDIT_LIMIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    account_number: int
    credit_limit_minor: int
    def __init__(self, account_number: _Optional[int] = ..., credit_limit_minor: _Optional[int] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("customer_number", "page_size", "page_token")
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_number: int
    page_size: int
    page_token: str
    def __init__(self, customer_number: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
