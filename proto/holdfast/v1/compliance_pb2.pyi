import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CaseState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASE_STATE_UNSPECIFIED: _ClassVar[CaseState]
    CASE_STATE_OPEN: _ClassVar[CaseState]
    CASE_STATE_ASSIGNED: _ClassVar[CaseState]
    CASE_STATE_IN_REVIEW: _ClassVar[CaseState]
    CASE_STATE_ESCALATED: _ClassVar[CaseState]
    CASE_STATE_DECIDED: _ClassVar[CaseState]
    CASE_STATE_FILED: _ClassVar[CaseState]
    CASE_STATE_CLOSED: _ClassVar[CaseState]

class CaseTier(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASE_TIER_UNSPECIFIED: _ClassVar[CaseTier]
    CASE_TIER_LOW: _ClassVar[CaseTier]
    CASE_TIER_MEDIUM: _ClassVar[CaseTier]
    CASE_TIER_HIGH: _ClassVar[CaseTier]

class CaseQueue(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASE_QUEUE_UNSPECIFIED: _ClassVar[CaseQueue]
    CASE_QUEUE_SANCTIONS: _ClassVar[CaseQueue]
    CASE_QUEUE_HIGH: _ClassVar[CaseQueue]
    CASE_QUEUE_WIRES: _ClassVar[CaseQueue]
    CASE_QUEUE_CASH: _ClassVar[CaseQueue]
    CASE_QUEUE_CARDS: _ClassVar[CaseQueue]
    CASE_QUEUE_TRANSFERS: _ClassVar[CaseQueue]
    CASE_QUEUE_BY_HAND: _ClassVar[CaseQueue]

class CaseDisposition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASE_DISPOSITION_UNSPECIFIED: _ClassVar[CaseDisposition]
    CASE_DISPOSITION_CLEARED: _ClassVar[CaseDisposition]
    CASE_DISPOSITION_SUSPICIOUS: _ClassVar[CaseDisposition]
    CASE_DISPOSITION_TRUE_MATCH: _ClassVar[CaseDisposition]

class CaseAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASE_ACTION_UNSPECIFIED: _ClassVar[CaseAction]
    CASE_ACTION_RELEASE_TRANSFER: _ClassVar[CaseAction]
    CASE_ACTION_REJECT_TRANSFER: _ClassVar[CaseAction]
    CASE_ACTION_BLOCK_TRANSFER: _ClassVar[CaseAction]
    CASE_ACTION_BLOCK_CARD: _ClassVar[CaseAction]
    CASE_ACTION_UNBLOCK_CARD: _ClassVar[CaseAction]
    CASE_ACTION_BLOCK_CUSTOMER: _ClassVar[CaseAction]
    CASE_ACTION_UNBLOCK_CUSTOMER: _ClassVar[CaseAction]
    CASE_ACTION_LABEL_FRAUD: _ClassVar[CaseAction]
    CASE_ACTION_LABEL_FALSE_POSITIVE: _ClassVar[CaseAction]

class TransactionSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_SOURCE_UNSPECIFIED: _ClassVar[TransactionSource]
    TRANSACTION_SOURCE_AUTHORIZATION: _ClassVar[TransactionSource]
    TRANSACTION_SOURCE_TRANSFER: _ClassVar[TransactionSource]
    TRANSACTION_SOURCE_CUSTOMER: _ClassVar[TransactionSource]
CASE_STATE_UNSPECIFIED: CaseState
CASE_STATE_OPEN: CaseState
CASE_STATE_ASSIGNED: CaseState
CASE_STATE_IN_REVIEW: CaseState
CASE_STATE_ESCALATED: CaseState
CASE_STATE_DECIDED: CaseState
CASE_STATE_FILED: CaseState
CASE_STATE_CLOSED: CaseState
CASE_TIER_UNSPECIFIED: CaseTier
CASE_TIER_LOW: CaseTier
CASE_TIER_MEDIUM: CaseTier
CASE_TIER_HIGH: CaseTier
CASE_QUEUE_UNSPECIFIED: CaseQueue
CASE_QUEUE_SANCTIONS: CaseQueue
CASE_QUEUE_HIGH: CaseQueue
CASE_QUEUE_WIRES: CaseQueue
CASE_QUEUE_CASH: CaseQueue
CASE_QUEUE_CARDS: CaseQueue
CASE_QUEUE_TRANSFERS: CaseQueue
CASE_QUEUE_BY_HAND: CaseQueue
CASE_DISPOSITION_UNSPECIFIED: CaseDisposition
CASE_DISPOSITION_CLEARED: CaseDisposition
CASE_DISPOSITION_SUSPICIOUS: CaseDisposition
CASE_DISPOSITION_TRUE_MATCH: CaseDisposition
CASE_ACTION_UNSPECIFIED: CaseAction
CASE_ACTION_RELEASE_TRANSFER: CaseAction
CASE_ACTION_REJECT_TRANSFER: CaseAction
CASE_ACTION_BLOCK_TRANSFER: CaseAction
CASE_ACTION_BLOCK_CARD: CaseAction
CASE_ACTION_UNBLOCK_CARD: CaseAction
CASE_ACTION_BLOCK_CUSTOMER: CaseAction
CASE_ACTION_UNBLOCK_CUSTOMER: CaseAction
CASE_ACTION_LABEL_FRAUD: CaseAction
CASE_ACTION_LABEL_FALSE_POSITIVE: CaseAction
TRANSACTION_SOURCE_UNSPECIFIED: TransactionSource
TRANSACTION_SOURCE_AUTHORIZATION: TransactionSource
TRANSACTION_SOURCE_TRANSFER: TransactionSource
TRANSACTION_SOURCE_CUSTOMER: TransactionSource

class Duty(_message.Message):
    __slots__ = ("kind", "citation", "reason", "form", "due", "by_rule")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    BY_RULE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    citation: str
    reason: str
    form: str
    due: str
    by_rule: bool
    def __init__(self, kind: _Optional[str] = ..., citation: _Optional[str] = ..., reason: _Optional[str] = ..., form: _Optional[str] = ..., due: _Optional[str] = ..., by_rule: _Optional[bool] = ...) -> None: ...

class Case(_message.Message):
    __slots__ = ("case_id", "kind", "queue", "tier", "state", "source", "source_id", "customer_number", "customer_name", "summary", "assignee", "due_time", "overdue", "disposition", "actions", "reason", "proposed_by", "decided_by", "decision_time", "approved_by", "approval_time", "duties", "forms_awaited", "forms_filed", "filing_ids", "open_time", "change_time", "events", "evidence", "review")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    ASSIGNEE_FIELD_NUMBER: _ClassVar[int]
    DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_BY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECISION_TIME_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_TIME_FIELD_NUMBER: _ClassVar[int]
    DUTIES_FIELD_NUMBER: _ClassVar[int]
    FORMS_AWAITED_FIELD_NUMBER: _ClassVar[int]
    FORMS_FILED_FIELD_NUMBER: _ClassVar[int]
    FILING_IDS_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    kind: str
    queue: CaseQueue
    tier: CaseTier
    state: CaseState
    source: TransactionSource
    source_id: str
    customer_number: int
    customer_name: str
    summary: str
    assignee: str
    due_time: _timestamp_pb2.Timestamp
    overdue: bool
    disposition: CaseDisposition
    actions: _containers.RepeatedScalarFieldContainer[CaseAction]
    reason: str
    proposed_by: str
    decided_by: str
    decision_time: _timestamp_pb2.Timestamp
    approved_by: str
    approval_time: _timestamp_pb2.Timestamp
    duties: _containers.RepeatedCompositeFieldContainer[Duty]
    forms_awaited: _containers.RepeatedScalarFieldContainer[str]
    forms_filed: _containers.RepeatedScalarFieldContainer[str]
    filing_ids: _containers.RepeatedScalarFieldContainer[str]
    open_time: _timestamp_pb2.Timestamp
    change_time: _timestamp_pb2.Timestamp
    events: _containers.RepeatedCompositeFieldContainer[CaseEvent]
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    review: Review
    def __init__(self, case_id: _Optional[str] = ..., kind: _Optional[str] = ..., queue: _Optional[_Union[CaseQueue, str]] = ..., tier: _Optional[_Union[CaseTier, str]] = ..., state: _Optional[_Union[CaseState, str]] = ..., source: _Optional[_Union[TransactionSource, str]] = ..., source_id: _Optional[str] = ..., customer_number: _Optional[int] = ..., customer_name: _Optional[str] = ..., summary: _Optional[str] = ..., assignee: _Optional[str] = ..., due_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., overdue: _Optional[bool] = ..., disposition: _Optional[_Union[CaseDisposition, str]] = ..., actions: _Optional[_Iterable[_Union[CaseAction, str]]] = ..., reason: _Optional[str] = ..., proposed_by: _Optional[str] = ..., decided_by: _Optional[str] = ..., decision_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., approved_by: _Optional[str] = ..., approval_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duties: _Optional[_Iterable[_Union[Duty, _Mapping]]] = ..., forms_awaited: _Optional[_Iterable[str]] = ..., forms_filed: _Optional[_Iterable[str]] = ..., filing_ids: _Optional[_Iterable[str]] = ..., open_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[_Iterable[_Union[CaseEvent, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ..., review: _Optional[_Union[Review, _Mapping]] = ...) -> None: ...

class CaseEvent(_message.Message):
    __slots__ = ("number", "event", "before", "after", "actor", "role", "details", "text", "correlation_id", "time")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    number: int
    event: str
    before: CaseState
    after: CaseState
    actor: str
    role: str
    details: _containers.ScalarMap[str, str]
    text: str
    correlation_id: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., event: _Optional[str] = ..., before: _Optional[_Union[CaseState, str]] = ..., after: _Optional[_Union[CaseState, str]] = ..., actor: _Optional[str] = ..., role: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ..., text: _Optional[str] = ..., correlation_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("evidence_id", "name", "sha256", "size", "added_by", "add_time", "content")
    EVIDENCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ADDED_BY_FIELD_NUMBER: _ClassVar[int]
    ADD_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    evidence_id: str
    name: str
    sha256: str
    size: int
    added_by: str
    add_time: _timestamp_pb2.Timestamp
    content: bytes
    def __init__(self, evidence_id: _Optional[str] = ..., name: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ..., added_by: _Optional[str] = ..., add_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class RiskFactor(_message.Message):
    __slots__ = ("name", "value", "weight", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    weight: float
    text: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., weight: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class RiskPoint(_message.Message):
    __slots__ = ("name", "points", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    points: float
    text: str
    def __init__(self, name: _Optional[str] = ..., points: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("rule", "severity", "citation", "text", "facts", "movements")
    RULE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    MOVEMENTS_FIELD_NUMBER: _ClassVar[int]
    rule: str
    severity: int
    citation: str
    text: str
    facts: _struct_pb2.Struct
    movements: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rule: _Optional[str] = ..., severity: _Optional[int] = ..., citation: _Optional[str] = ..., text: _Optional[str] = ..., facts: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., movements: _Optional[_Iterable[str]] = ...) -> None: ...

class Assessment(_message.Message):
    __slots__ = ("composite", "factors", "tier", "points", "review_reasons", "findings", "duties")
    COMPOSITE_FIELD_NUMBER: _ClassVar[int]
    FACTORS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    REVIEW_REASONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    DUTIES_FIELD_NUMBER: _ClassVar[int]
    composite: float
    factors: _containers.RepeatedCompositeFieldContainer[RiskFactor]
    tier: str
    points: _containers.RepeatedCompositeFieldContainer[RiskPoint]
    review_reasons: _containers.RepeatedScalarFieldContainer[str]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    duties: _containers.RepeatedCompositeFieldContainer[Duty]
    def __init__(self, composite: _Optional[float] = ..., factors: _Optional[_Iterable[_Union[RiskFactor, _Mapping]]] = ..., tier: _Optional[str] = ..., points: _Optional[_Iterable[_Union[RiskPoint, _Mapping]]] = ..., review_reasons: _Optional[_Iterable[str]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., duties: _Optional[_Iterable[_Union[Duty, _Mapping]]] = ...) -> None: ...

class TokenMatch(_message.Message):
    __slots__ = ("asked", "listed", "similarity", "how")
    ASKED_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    asked: str
    listed: str
    similarity: float
    how: str
    def __init__(self, asked: _Optional[str] = ..., listed: _Optional[str] = ..., similarity: _Optional[float] = ..., how: _Optional[str] = ...) -> None: ...

class SanctionsHit(_message.Message):
    __slots__ = ("role", "list_name", "entry_id", "entry_name", "matched_name", "programme", "score", "is_match", "tokens", "notes", "list_date")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    LIST_NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_NAME_FIELD_NUMBER: _ClassVar[int]
    MATCHED_NAME_FIELD_NUMBER: _ClassVar[int]
    PROGRAMME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    IS_MATCH_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    LIST_DATE_FIELD_NUMBER: _ClassVar[int]
    role: str
    list_name: str
    entry_id: str
    entry_name: str
    matched_name: str
    programme: str
    score: float
    is_match: bool
    tokens: _containers.RepeatedCompositeFieldContainer[TokenMatch]
    notes: _containers.RepeatedScalarFieldContainer[str]
    list_date: str
    def __init__(self, role: _Optional[str] = ..., list_name: _Optional[str] = ..., entry_id: _Optional[str] = ..., entry_name: _Optional[str] = ..., matched_name: _Optional[str] = ..., programme: _Optional[str] = ..., score: _Optional[float] = ..., is_match: _Optional[bool] = ..., tokens: _Optional[_Iterable[_Union[TokenMatch, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., list_date: _Optional[str] = ...) -> None: ...

class PolicyPassage(_message.Message):
    __slots__ = ("id", "citation", "title", "text", "document", "effective", "jurisdiction", "mandatory", "score")
    ID_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    MANDATORY_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    id: str
    citation: str
    title: str
    text: str
    document: str
    effective: str
    jurisdiction: str
    mandatory: bool
    score: float
    def __init__(self, id: _Optional[str] = ..., citation: _Optional[str] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., document: _Optional[str] = ..., effective: _Optional[str] = ..., jurisdiction: _Optional[str] = ..., mandatory: _Optional[bool] = ..., score: _Optional[float] = ...) -> None: ...

class AnalysisIssue(_message.Message):
    __slots__ = ("text", "severity", "cited")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CITED_FIELD_NUMBER: _ClassVar[int]
    text: str
    severity: int
    cited: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., severity: _Optional[int] = ..., cited: _Optional[_Iterable[str]] = ...) -> None: ...

class StruckClaim(_message.Message):
    __slots__ = ("claim", "why")
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    claim: str
    why: str
    def __init__(self, claim: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class Analysis(_message.Message):
    __slots__ = ("origin", "tier", "issues", "approvals", "duties", "recommendations", "confidence", "narrative", "struck", "note", "model", "prompt_version", "tokens_in", "tokens_out", "cost_micro_usd", "cached")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    DUTIES_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    NARRATIVE_FIELD_NUMBER: _ClassVar[int]
    STRUCK_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TOKENS_IN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_OUT_FIELD_NUMBER: _ClassVar[int]
    COST_MICRO_USD_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    origin: str
    tier: str
    issues: _containers.RepeatedCompositeFieldContainer[AnalysisIssue]
    approvals: _containers.RepeatedScalarFieldContainer[str]
    duties: _containers.RepeatedCompositeFieldContainer[Duty]
    recommendations: _containers.RepeatedScalarFieldContainer[str]
    confidence: float
    narrative: str
    struck: _containers.RepeatedCompositeFieldContainer[StruckClaim]
    note: str
    model: str
    prompt_version: str
    tokens_in: int
    tokens_out: int
    cost_micro_usd: int
    cached: bool
    def __init__(self, origin: _Optional[str] = ..., tier: _Optional[str] = ..., issues: _Optional[_Iterable[_Union[AnalysisIssue, _Mapping]]] = ..., approvals: _Optional[_Iterable[str]] = ..., duties: _Optional[_Iterable[_Union[Duty, _Mapping]]] = ..., recommendations: _Optional[_Iterable[str]] = ..., confidence: _Optional[float] = ..., narrative: _Optional[str] = ..., struck: _Optional[_Iterable[_Union[StruckClaim, _Mapping]]] = ..., note: _Optional[str] = ..., model: _Optional[str] = ..., prompt_version: _Optional[str] = ..., tokens_in: _Optional[int] = ..., tokens_out: _Optional[int] = ..., cost_micro_usd: _Optional[int] = ..., cached: _Optional[bool] = ...) -> None: ...

class Review(_message.Message):
    __slots__ = ("flagged_id", "reviewed_at", "assessment", "hits", "passages", "analysis", "lists")
    class ListsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FLAGGED_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEWED_AT_FIELD_NUMBER: _ClassVar[int]
    ASSESSMENT_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    flagged_id: str
    reviewed_at: str
    assessment: Assessment
    hits: _containers.RepeatedCompositeFieldContainer[SanctionsHit]
    passages: _containers.RepeatedCompositeFieldContainer[PolicyPassage]
    analysis: Analysis
    lists: _containers.ScalarMap[str, str]
    def __init__(self, flagged_id: _Optional[str] = ..., reviewed_at: _Optional[str] = ..., assessment: _Optional[_Union[Assessment, _Mapping]] = ..., hits: _Optional[_Iterable[_Union[SanctionsHit, _Mapping]]] = ..., passages: _Optional[_Iterable[_Union[PolicyPassage, _Mapping]]] = ..., analysis: _Optional[_Union[Analysis, _Mapping]] = ..., lists: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListCasesRequest(_message.Message):
    __slots__ = ("states", "tiers", "queues", "assignee", "customer_number", "source_id", "overdue", "start_time", "end_time", "page_size", "page_token")
    STATES_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    ASSIGNEE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[CaseState]
    tiers: _containers.RepeatedScalarFieldContainer[CaseTier]
    queues: _containers.RepeatedScalarFieldContainer[CaseQueue]
    assignee: str
    customer_number: int
    source_id: str
    overdue: bool
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, states: _Optional[_Iterable[_Union[CaseState, str]]] = ..., tiers: _Optional[_Iterable[_Union[CaseTier, str]]] = ..., queues: _Optional[_Iterable[_Union[CaseQueue, str]]] = ..., assignee: _Optional[str] = ..., customer_number: _Optional[int] = ..., source_id: _Optional[str] = ..., overdue: _Optional[bool] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchCasesRequest(_message.Message):
    __slots__ = ("query", "page_size", "page_token")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    query: str
    page_size: int
    page_token: str
    def __init__(self, query: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCasesResponse(_message.Message):
    __slots__ = ("cases", "next_page_token")
    CASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cases: _containers.RepeatedCompositeFieldContainer[Case]
    next_page_token: str
    def __init__(self, cases: _Optional[_Iterable[_Union[Case, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetCaseRequest(_message.Message):
    __slots__ = ("case_id", "unmasked")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    UNMASKED_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    unmasked: bool
    def __init__(self, case_id: _Optional[str] = ..., unmasked: _Optional[bool] = ...) -> None: ...

class OpenCaseRequest(_message.Message):
    __slots__ = ("idempotency_key", "summary", "tier", "reason", "source", "source_id", "customer_number")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    summary: str
    tier: CaseTier
    reason: str
    source: TransactionSource
    source_id: str
    customer_number: int
    def __init__(self, idempotency_key: _Optional[str] = ..., summary: _Optional[str] = ..., tier: _Optional[_Union[CaseTier, str]] = ..., reason: _Optional[str] = ..., source: _Optional[_Union[TransactionSource, str]] = ..., source_id: _Optional[str] = ..., customer_number: _Optional[int] = ...) -> None: ...

class AssignCaseRequest(_message.Message):
    __slots__ = ("case_id", "assignee")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSIGNEE_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    assignee: str
    def __init__(self, case_id: _Optional[str] = ..., assignee: _Optional[str] = ...) -> None: ...

class CommentCaseRequest(_message.Message):
    __slots__ = ("case_id", "text")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    text: str
    def __init__(self, case_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class AddEvidenceRequest(_message.Message):
    __slots__ = ("case_id", "name", "content")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    name: str
    content: bytes
    def __init__(self, case_id: _Optional[str] = ..., name: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class GetEvidenceRequest(_message.Message):
    __slots__ = ("case_id", "evidence_id")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_ID_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    evidence_id: str
    def __init__(self, case_id: _Optional[str] = ..., evidence_id: _Optional[str] = ...) -> None: ...

class EscalateCaseRequest(_message.Message):
    __slots__ = ("case_id", "reason")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    reason: str
    def __init__(self, case_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DecideCaseRequest(_message.Message):
    __slots__ = ("case_id", "disposition", "actions", "reason")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    disposition: CaseDisposition
    actions: _containers.RepeatedScalarFieldContainer[CaseAction]
    reason: str
    def __init__(self, case_id: _Optional[str] = ..., disposition: _Optional[_Union[CaseDisposition, str]] = ..., actions: _Optional[_Iterable[_Union[CaseAction, str]]] = ..., reason: _Optional[str] = ...) -> None: ...

class ApproveCaseRequest(_message.Message):
    __slots__ = ("case_id", "reason", "returned")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    reason: str
    returned: bool
    def __init__(self, case_id: _Optional[str] = ..., reason: _Optional[str] = ..., returned: _Optional[bool] = ...) -> None: ...

class ReopenCaseRequest(_message.Message):
    __slots__ = ("case_id", "reason")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    reason: str
    def __init__(self, case_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WatchCasesRequest(_message.Message):
    __slots__ = ("resume_token", "tiers", "queues")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    tiers: _containers.RepeatedScalarFieldContainer[CaseTier]
    queues: _containers.RepeatedScalarFieldContainer[CaseQueue]
    def __init__(self, resume_token: _Optional[str] = ..., tiers: _Optional[_Iterable[_Union[CaseTier, str]]] = ..., queues: _Optional[_Iterable[_Union[CaseQueue, str]]] = ...) -> None: ...

class WatchCasesResponse(_message.Message):
    __slots__ = ("case", "event", "actor", "time", "resume_token")
    CASE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    case: Case
    event: str
    actor: str
    time: _timestamp_pb2.Timestamp
    resume_token: str
    def __init__(self, case: _Optional[_Union[Case, _Mapping]] = ..., event: _Optional[str] = ..., actor: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class AnalyseTransactionRequest(_message.Message):
    __slots__ = ("source", "source_id", "force_refresh")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_REFRESH_FIELD_NUMBER: _ClassVar[int]
    source: TransactionSource
    source_id: str
    force_refresh: bool
    def __init__(self, source: _Optional[_Union[TransactionSource, str]] = ..., source_id: _Optional[str] = ..., force_refresh: _Optional[bool] = ...) -> None: ...

class GetTrailRequest(_message.Message):
    __slots__ = ("source", "source_id", "case_id")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    source: TransactionSource
    source_id: str
    case_id: str
    def __init__(self, source: _Optional[_Union[TransactionSource, str]] = ..., source_id: _Optional[str] = ..., case_id: _Optional[str] = ...) -> None: ...

class Trail(_message.Message):
    __slots__ = ("source", "source_id", "case_id", "entries")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    source: TransactionSource
    source_id: str
    case_id: str
    entries: _containers.RepeatedCompositeFieldContainer[TrailEntry]
    def __init__(self, source: _Optional[_Union[TransactionSource, str]] = ..., source_id: _Optional[str] = ..., case_id: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[TrailEntry, _Mapping]]] = ...) -> None: ...

class TrailEntry(_message.Message):
    __slots__ = ("time", "kind", "what", "actor", "id", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    kind: str
    what: str
    actor: str
    id: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., what: _Optional[str] = ..., actor: _Optional[str] = ..., id: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...
