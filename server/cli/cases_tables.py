"""How cases are printed: as the contract's JSON for programs, as tables for people."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from server.cli.calls import as_document
from server.cli.output import facts, rows, say, show


def print_cases(cases: list[Any], *, as_json: bool) -> None:
    """A list."""
    documents = [_case(case) for case in cases]
    columns = ("case", "due", "queue", "tier", "state", "assignee", "customer", "summary")
    lines = [
        (
            case["case_id"],
            f"{case['due_time']}{' OVERDUE' if case['overdue'] else ''}",
            _word(case["queue"], "CASE_QUEUE"),
            _word(case["tier"], "CASE_TIER"),
            _word(case["state"], "CASE_STATE"),
            case["assignee"],
            _customer(case),
            case["summary"],
        )
        for case in documents
    ]
    show({"cases": documents}, as_json=as_json, table=lambda: rows("cases", columns, lines))


def print_case(case: Any, *, as_json: bool, whole: Any = None) -> None:
    """One case; with steps, evidence and review where they are given."""
    from rich.console import Group

    document = _case(case, whole)

    def table() -> Any:
        head = {
            "state": _word(document["state"], "CASE_STATE"),
            "queue": _word(document["queue"], "CASE_QUEUE"),
            "tier": _word(document["tier"], "CASE_TIER"),
            "about": f"{_word(document['source'], 'TRANSACTION_SOURCE')} {document['source_id']}"
            if document["source_id"]
            else "",
            "customer": _customer(document),
            "summary": document["summary"],
            "assignee": document["assignee"],
            "due": f"{document['due_time']}{' OVERDUE' if document['overdue'] else ''}",
            "decision": _word(document["disposition"], "CASE_DISPOSITION"),
            "does": [_word(action, "CASE_ACTION") for action in document["actions"]],
            "reason": document["reason"],
            "proposed by": document["proposed_by"],
            "decided by": document["decided_by"],
            "approved by": document["approved_by"],
            "to be filed": document["forms_awaited"],
            "filed": document["forms_filed"],
            "duties": [
                f"{duty['kind']} ({duty['citation']}){' by ' + duty['due'] if duty['due'] else ''}"
                for duty in document["duties"]
            ],
        }
        parts = [facts(f"case {document['case_id']}", head)]
        if whole is not None:
            parts += _parts(document)
        return Group(*parts)

    show(document, as_json=as_json, table=table)


def print_evidence(piece: Any, *, as_json: bool) -> None:
    """What was laid to a case."""
    from server.front.compliance_writing import evidence_message

    document = as_document(evidence_message(piece))
    del document["content"]
    show(document, as_json=as_json, table=lambda: facts("evidence", document))


def print_trail(trail: Any, *, as_json: bool) -> None:
    """Everything on record about a transaction."""
    from server.front.compliance_writing import trail_message

    document = as_document(trail_message(trail))
    title = f"{_word(document['source'], 'TRANSACTION_SOURCE')} {document['source_id']}, case {document['case_id'] or '-'}"
    lines = [
        (
            entry["time"],
            entry["kind"],
            entry["what"],
            entry["actor"],
            [f"{name}={value}" for name, value in sorted(entry["details"].items())],
        )
        for entry in document["entries"]
    ]
    show(
        document,
        as_json=as_json,
        table=lambda: rows(title, ("time", "kind", "what", "who", "details"), lines),
    )


def print_review(review: Any, *, as_json: bool) -> None:
    """A review, as a message of the contract."""
    from rich.console import Group

    document = as_document(review)
    show(document, as_json=as_json, table=lambda: Group(*_review(document)))


def told(change: Any, case: Any, *, as_json: bool) -> None:
    """A line of a watch."""
    from server.front.counter import seal_token

    token = seal_token(*change.position)
    if as_json:
        line = {"event": change.event, "actor": change.actor, "token": token, "case": case and _case(case)}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        return
    what = "" if case is None else f"{case.queue} {case.tier} {case.state} {case.summary}"
    say(
        f"{change.happened_at:%H:%M:%S} {change.case_id.hex} {change.event} by {change.actor}: {what}  --token {token}",
        markup=False,
    )


def _case(case: Any, whole: Any = None) -> dict[str, Any]:
    from server.front.compliance_writing import case_message

    return as_document(case_message(case, datetime.now(UTC), whole=whole))


def _parts(document: dict[str, Any]) -> list[Any]:
    steps = [
        (
            event["time"],
            event["event"],
            _word(event["after"], "CASE_STATE"),
            f"{event['actor']} ({event['role']})",
            event["text"] or [f"{name}={value}" for name, value in sorted(event["details"].items())],
        )
        for event in document["events"]
    ]
    parts = [rows("steps", ("time", "step", "state", "who", "what"), steps)]
    if document["evidence"]:
        pieces = [
            (piece["evidence_id"], piece["name"], piece["size"], piece["added_by"])
            for piece in document["evidence"]
        ]
        parts.append(rows("evidence", ("evidence", "name", "bytes", "by"), pieces))
    if "review" in document:
        parts += _review(document["review"])
    return parts


def _review(review: dict[str, Any]) -> list[Any]:
    assessment, analysis = review["assessment"], review["analysis"]
    head = {
        "risk": f"{assessment['composite']:.1f} of 100, {assessment['tier']} by points; after analysis {analysis['tier']}",
        "must be reviewed": assessment["review_reasons"],
        "analysis": f"by {analysis['origin']} {analysis['model']} {analysis['note']}".strip(),
        "issues": [issue["text"] for issue in analysis["issues"]],
        "recommended": analysis["recommendations"],
        "narrative": analysis["narrative"],
        "struck": [f"{claim['claim']}: {claim['why']}" for claim in analysis["struck"]],
    }
    findings = [(found["rule"], found["citation"], found["text"]) for found in assessment["findings"]]
    hits = [
        (
            hit["entry_name"],
            hit["list_name"],
            f"{hit['score']:.2f}{' MATCH' if hit['is_match'] else ''}",
            hit["role"],
        )
        for hit in review["hits"]
    ]
    parts = [facts(f"review of {review['reviewed_at']}", head)]
    if findings:
        parts.append(rows("rules that were met", ("rule", "section", "what"), findings))
    if hits:
        parts.append(rows("names on lists", ("entry", "list", "score", "who"), hits))
    return parts


def _customer(case: dict[str, Any]) -> str:
    return f"{case['customer_number']} {case['customer_name']}" if "customer_number" in case else ""


def _word(name: str, prefix: str) -> str:
    word = name.removeprefix(f"{prefix}_").lower()
    return "" if word == "unspecified" else word
