import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EntryMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTRY_MODE_UNSPECIFIED: _ClassVar[EntryMode]
    ENTRY_MODE_MANUAL: _ClassVar[EntryMode]
    ENTRY_MODE_MAGNETIC_STRIPE: _ClassVar[EntryMode]
    ENTRY_MODE_CHIP: _ClassVar[EntryMode]
    ENTRY_MODE_CONTACTLESS: _ClassVar[EntryMode]
    ENTRY_MODE_ECOMMERCE: _ClassVar[EntryMode]
    ENTRY_MODE_CREDENTIAL_ON_FILE: _ClassVar[EntryMode]

class TransactionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_TYPE_UNSPECIFIED: _ClassVar[TransactionType]
    TRANSACTION_TYPE_PURCHASE: _ClassVar[TransactionType]
    TRANSACTION_TYPE_CASH_WITHDRAWAL: _ClassVar[TransactionType]
    TRANSACTION_TYPE_PURCHASE_CASHBACK: _ClassVar[TransactionType]
    TRANSACTION_TYPE_QUASI_CASH: _ClassVar[TransactionType]
    TRANSACTION_TYPE_REFUND: _ClassVar[TransactionType]
    TRANSACTION_TYPE_BALANCE_INQUIRY: _ClassVar[TransactionType]
    TRANSACTION_TYPE_ACCOUNT_STATUS: _ClassVar[TransactionType]
    TRANSACTION_TYPE_ACCOUNT_FUNDING: _ClassVar[TransactionType]
    TRANSACTION_TYPE_ORIGINAL_CREDIT: _ClassVar[TransactionType]

class CheckResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECK_RESULT_UNSPECIFIED: _ClassVar[CheckResult]
    CHECK_RESULT_MATCH: _ClassVar[CheckResult]
    CHECK_RESULT_MISMATCH: _ClassVar[CheckResult]
    CHECK_RESULT_UNAVAILABLE: _ClassVar[CheckResult]
ENTRY_MODE_UNSPECIFIED: EntryMode
ENTRY_MODE_MANUAL: EntryMode
ENTRY_MODE_MAGNETIC_STRIPE: EntryMode
ENTRY_MODE_CHIP: EntryMode
ENTRY_MODE_CONTACTLESS: EntryMode
ENTRY_MODE_ECOMMERCE: EntryMode
ENTRY_MODE_CREDENTIAL_ON_FILE: EntryMode
TRANSACTION_TYPE_UNSPECIFIED: TransactionType
TRANSACTION_TYPE_PURCHASE: TransactionType
TRANSACTION_TYPE_CASH_WITHDRAWAL: TransactionType
TRANSACTION_TYPE_PURCHASE_CASHBACK: TransactionType
TRANSACTION_TYPE_QUASI_CASH: TransactionType
TRANSACTION_TYPE_REFUND: TransactionType
TRANSACTION_TYPE_BALANCE_INQUIRY: TransactionType
TRANSACTION_TYPE_ACCOUNT_STATUS: TransactionType
TRANSACTION_TYPE_ACCOUNT_FUNDING: TransactionType
TRANSACTION_TYPE_ORIGINAL_CREDIT: TransactionType
CHECK_RESULT_UNSPECIFIED: CheckResult
CHECK_RESULT_MATCH: CheckResult
CHECK_RESULT_MISMATCH: CheckResult
CHECK_RESULT_UNAVAILABLE: CheckResult

class MessageKey(_message.Message):
    __slots__ = ("acquirer_id", "stan", "retrieval_reference", "transmission_time", "terminal_id")
    ACQUIRER_ID_FIELD_NUMBER: _ClassVar[int]
    STAN_FIELD_NUMBER: _ClassVar[int]
    RETRIEVAL_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    TRANSMISSION_TIME_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_ID_FIELD_NUMBER: _ClassVar[int]
    acquirer_id: str
    stan: int
    retrieval_reference: str
    transmission_time: _timestamp_pb2.Timestamp
    terminal_id: str
    def __init__(self, acquirer_id: _Optional[str] = ..., stan: _Optional[int] = ..., retrieval_reference: _Optional[str] = ..., transmission_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., terminal_id: _Optional[str] = ...) -> None: ...

class Merchant(_message.Message):
    __slots__ = ("merchant_id", "name", "city", "country", "category_code", "latitude_deg", "longitude_deg")
    MERCHANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_CODE_FIELD_NUMBER: _ClassVar[int]
    LATITUDE_DEG_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_DEG_FIELD_NUMBER: _ClassVar[int]
    merchant_id: str
    name: str
    city: str
    country: str
    category_code: str
    latitude_deg: float
    longitude_deg: float
    def __init__(self, merchant_id: _Optional[str] = ..., name: _Optional[str] = ..., city: _Optional[str] = ..., country: _Optional[str] = ..., category_code: _Optional[str] = ..., latitude_deg: _Optional[float] = ..., longitude_deg: _Optional[float] = ...) -> None: ...

class AuthorizeRequest(_message.Message):
    __slots__ = ("key", "pan", "card_token", "transaction_type", "amount_minor", "currency", "billing_amount_minor", "cashback_amount_minor", "local_time", "merchant", "entry_mode", "card_present", "recurring", "partial_approval_allowed", "incremental_expected", "expiry_yymm", "card_verification", "pin_verification", "address_verification", "cardholder_authentication", "device_fingerprint", "ip_address")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PAN_FIELD_NUMBER: _ClassVar[int]
    CARD_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    BILLING_AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CASHBACK_AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    LOCAL_TIME_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    ENTRY_MODE_FIELD_NUMBER: _ClassVar[int]
    CARD_PRESENT_FIELD_NUMBER: _ClassVar[int]
    RECURRING_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_APPROVAL_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    INCREMENTAL_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_YYMM_FIELD_NUMBER: _ClassVar[int]
    CARD_VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    PIN_VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    CARDHOLDER_AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    key: MessageKey
    pan: str
    card_token: str
    transaction_type: TransactionType
    amount_minor: int
    currency: str
    billing_amount_minor: int
    cashback_amount_minor: int
    local_time: _timestamp_pb2.Timestamp
    merchant: Merchant
    entry_mode: EntryMode
    card_present: bool
    recurring: bool
    partial_approval_allowed: bool
    incremental_expected: bool
    expiry_yymm: int
    card_verification: CheckResult
    pin_verification: CheckResult
    address_verification: CheckResult
    cardholder_authentication: CheckResult
    device_fingerprint: bytes
    ip_address: str
    def __init__(self, key: _Optional[_Union[MessageKey, _Mapping]] = ..., pan: _Optional[str] = ..., card_token: _Optional[str] = ..., transaction_type: _Optional[_Union[TransactionType, str]] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., billing_amount_minor: _Optional[int] = ..., cashback_amount_minor: _Optional[int] = ..., local_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., merchant: _Optional[_Union[Merchant, _Mapping]] = ..., entry_mode: _Optional[_Union[EntryMode, str]] = ..., card_present: _Optional[bool] = ..., recurring: _Optional[bool] = ..., partial_approval_allowed: _Optional[bool] = ..., incremental_expected: _Optional[bool] = ..., expiry_yymm: _Optional[int] = ..., card_verification: _Optional[_Union[CheckResult, str]] = ..., pin_verification: _Optional[_Union[CheckResult, str]] = ..., address_verification: _Optional[_Union[CheckResult, str]] = ..., cardholder_authentication: _Optional[_Union[CheckResult, str]] = ..., device_fingerprint: _Optional[bytes] = ..., ip_address: _Optional[str] = ...) -> None: ...

class AuthorizeResponse(_message.Message):
    __slots__ = ("response_code", "authorization_code", "authorization_id", "approved_amount_minor", "billing_currency", "available_minor", "risk_score", "reasons", "velocity_flags", "replayed", "stand_in")
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_CODE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVED_AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    BILLING_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    RISK_SCORE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    VELOCITY_FLAGS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    STAND_IN_FIELD_NUMBER: _ClassVar[int]
    response_code: str
    authorization_code: str
    authorization_id: str
    approved_amount_minor: int
    billing_currency: str
    available_minor: int
    risk_score: float
    reasons: _containers.RepeatedScalarFieldContainer[str]
    velocity_flags: _containers.RepeatedScalarFieldContainer[str]
    replayed: bool
    stand_in: bool
    def __init__(self, response_code: _Optional[str] = ..., authorization_code: _Optional[str] = ..., authorization_id: _Optional[str] = ..., approved_amount_minor: _Optional[int] = ..., billing_currency: _Optional[str] = ..., available_minor: _Optional[int] = ..., risk_score: _Optional[float] = ..., reasons: _Optional[_Iterable[str]] = ..., velocity_flags: _Optional[_Iterable[str]] = ..., replayed: _Optional[bool] = ..., stand_in: _Optional[bool] = ...) -> None: ...

class IncrementRequest(_message.Message):
    __slots__ = ("key", "authorization_id", "amount_minor", "cumulative")
    KEY_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_FIELD_NUMBER: _ClassVar[int]
    key: MessageKey
    authorization_id: str
    amount_minor: int
    cumulative: bool
    def __init__(self, key: _Optional[_Union[MessageKey, _Mapping]] = ..., authorization_id: _Optional[str] = ..., amount_minor: _Optional[int] = ..., cumulative: _Optional[bool] = ...) -> None: ...

class ReverseRequest(_message.Message):
    __slots__ = ("key", "original", "authorization_id", "remaining_minor", "advice")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MINOR_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    key: MessageKey
    original: MessageKey
    authorization_id: str
    remaining_minor: int
    advice: bool
    def __init__(self, key: _Optional[_Union[MessageKey, _Mapping]] = ..., original: _Optional[_Union[MessageKey, _Mapping]] = ..., authorization_id: _Optional[str] = ..., remaining_minor: _Optional[int] = ..., advice: _Optional[bool] = ...) -> None: ...

class ReverseResponse(_message.Message):
    __slots__ = ("response_code", "released_minor", "replayed")
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    RELEASED_MINOR_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    response_code: str
    released_minor: int
    replayed: bool
    def __init__(self, response_code: _Optional[str] = ..., released_minor: _Optional[int] = ..., replayed: _Optional[bool] = ...) -> None: ...

class AdviseRequest(_message.Message):
    __slots__ = ("original", "response_code", "authorization_code")
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_CODE_FIELD_NUMBER: _ClassVar[int]
    original: AuthorizeRequest
    response_code: str
    authorization_code: str
    def __init__(self, original: _Optional[_Union[AuthorizeRequest, _Mapping]] = ..., response_code: _Optional[str] = ..., authorization_code: _Optional[str] = ...) -> None: ...

class AdviseResponse(_message.Message):
    __slots__ = ("response_code", "authorization_id", "replayed")
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    response_code: str
    authorization_id: str
    replayed: bool
    def __init__(self, response_code: _Optional[str] = ..., authorization_id: _Optional[str] = ..., replayed: _Optional[bool] = ...) -> None: ...

class ClearRequest(_message.Message):
    __slots__ = ("key", "authorization_id", "original", "pan", "card_token", "amount_minor", "final", "credit", "network_reference", "merchant")
    KEY_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    PAN_FIELD_NUMBER: _ClassVar[int]
    CARD_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    NETWORK_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    key: MessageKey
    authorization_id: str
    original: MessageKey
    pan: str
    card_token: str
    amount_minor: int
    final: bool
    credit: bool
    network_reference: str
    merchant: Merchant
    def __init__(self, key: _Optional[_Union[MessageKey, _Mapping]] = ..., authorization_id: _Optional[str] = ..., original: _Optional[_Union[MessageKey, _Mapping]] = ..., pan: _Optional[str] = ..., card_token: _Optional[str] = ..., amount_minor: _Optional[int] = ..., final: _Optional[bool] = ..., credit: _Optional[bool] = ..., network_reference: _Optional[str] = ..., merchant: _Optional[_Union[Merchant, _Mapping]] = ...) -> None: ...

class ClearResponse(_message.Message):
    __slots__ = ("response_code", "authorization_id", "posted_minor", "released_minor", "overdrawn_minor", "replayed")
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    POSTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    RELEASED_MINOR_FIELD_NUMBER: _ClassVar[int]
    OVERDRAWN_MINOR_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    response_code: str
    authorization_id: str
    posted_minor: int
    released_minor: int
    overdrawn_minor: int
    replayed: bool
    def __init__(self, response_code: _Optional[str] = ..., authorization_id: _Optional[str] = ..., posted_minor: _Optional[int] = ..., released_minor: _Optional[int] = ..., overdrawn_minor: _Optional[int] = ..., replayed: _Optional[bool] = ...) -> None: ...

class LinkRequest(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[LinkMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[LinkMessage, _Mapping]]] = ...) -> None: ...

class LinkMessage(_message.Message):
    __slots__ = ("sequence", "authorize", "increment", "reverse", "advise", "clear", "echo")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZE_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    ADVISE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    authorize: AuthorizeRequest
    increment: IncrementRequest
    reverse: ReverseRequest
    advise: AdviseRequest
    clear: ClearRequest
    echo: Echo
    def __init__(self, sequence: _Optional[int] = ..., authorize: _Optional[_Union[AuthorizeRequest, _Mapping]] = ..., increment: _Optional[_Union[IncrementRequest, _Mapping]] = ..., reverse: _Optional[_Union[ReverseRequest, _Mapping]] = ..., advise: _Optional[_Union[AdviseRequest, _Mapping]] = ..., clear: _Optional[_Union[ClearRequest, _Mapping]] = ..., echo: _Optional[_Union[Echo, _Mapping]] = ...) -> None: ...

class LinkResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[LinkAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[LinkAnswer, _Mapping]]] = ...) -> None: ...

class LinkAnswer(_message.Message):
    __slots__ = ("sequence", "authorize", "increment", "reverse", "advise", "clear", "echo", "fault")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZE_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    ADVISE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    authorize: AuthorizeResponse
    increment: AuthorizeResponse
    reverse: ReverseResponse
    advise: AdviseResponse
    clear: ClearResponse
    echo: Echo
    fault: Fault
    def __init__(self, sequence: _Optional[int] = ..., authorize: _Optional[_Union[AuthorizeResponse, _Mapping]] = ..., increment: _Optional[_Union[AuthorizeResponse, _Mapping]] = ..., reverse: _Optional[_Union[ReverseResponse, _Mapping]] = ..., advise: _Optional[_Union[AdviseResponse, _Mapping]] = ..., clear: _Optional[_Union[ClearResponse, _Mapping]] = ..., echo: _Optional[_Union[Echo, _Mapping]] = ..., fault: _Optional[_Union[Fault, _Mapping]] = ...) -> None: ...

class Echo(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("status_code", "message", "fields")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    status_code: int
    message: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status_code: _Optional[int] = ..., message: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("authorization_id",)
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    authorization_id: str
    def __init__(self, authorization_id: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("request", "response", "checks", "score_reasons", "model_version", "transfers", "decision_time")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    SCORE_REASONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    DECISION_TIME_FIELD_NUMBER: _ClassVar[int]
    request: AuthorizeRequest
    response: AuthorizeResponse
    checks: _containers.RepeatedCompositeFieldContainer[Check]
    score_reasons: _containers.RepeatedCompositeFieldContainer[ScoreReason]
    model_version: str
    transfers: _containers.RepeatedCompositeFieldContainer[LedgerTransfer]
    decision_time: _timestamp_pb2.Timestamp
    def __init__(self, request: _Optional[_Union[AuthorizeRequest, _Mapping]] = ..., response: _Optional[_Union[AuthorizeResponse, _Mapping]] = ..., checks: _Optional[_Iterable[_Union[Check, _Mapping]]] = ..., score_reasons: _Optional[_Iterable[_Union[ScoreReason, _Mapping]]] = ..., model_version: _Optional[str] = ..., transfers: _Optional[_Iterable[_Union[LedgerTransfer, _Mapping]]] = ..., decision_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Check(_message.Message):
    __slots__ = ("name", "passed", "response_code", "inputs", "elapsed_us")
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_US_FIELD_NUMBER: _ClassVar[int]
    name: str
    passed: bool
    response_code: str
    inputs: _containers.ScalarMap[str, str]
    elapsed_us: int
    def __init__(self, name: _Optional[str] = ..., passed: _Optional[bool] = ..., response_code: _Optional[str] = ..., inputs: _Optional[_Mapping[str, str]] = ..., elapsed_us: _Optional[int] = ...) -> None: ...

class ScoreReason(_message.Message):
    __slots__ = ("feature", "value", "contribution", "text")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    feature: str
    value: float
    contribution: float
    text: str
    def __init__(self, feature: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class LedgerTransfer(_message.Message):
    __slots__ = ("transfer_id", "debit_account", "credit_account", "amount_minor", "state")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    DEBIT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    debit_account: str
    credit_account: str
    amount_minor: int
    state: str
    def __init__(self, transfer_id: _Optional[str] = ..., debit_account: _Optional[str] = ..., credit_account: _Optional[str] = ..., amount_minor: _Optional[int] = ..., state: _Optional[str] = ...) -> None: ...
