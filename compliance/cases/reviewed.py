"""The newest review of what a case is about, as it may be seen."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from compliance.ports import Seals, queries
from compliance.roles import Actor, Permission, may

SEALED_REVIEW: Final = "reviews.document"
_REPORTS: Final = "1020.320"
"""The section on reports of suspicious activity: a finding under it tells of one."""


async def newest_review(connection: Any, seals: Seals, flagged_id: UUID | None) -> dict[str, Any] | None:
    """The document of the newest review of a flagged row (compliance.results.ReviewResult); None where there is none."""
    row = await connection.fetchrow(queries("compliance.cases")["newest_review"], flagged_id)
    if row is None:
        return None
    document: dict[str, Any] = json.loads(seals.unseal(SEALED_REVIEW, row["document"]))
    return document


def review_as_seen_by(document: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """
    What this actor may see of a review.

    Without SEE_PERSONAL_DATA the words of an analysis and the names that were asked for are left out; without
    SEE_FILINGS every sign of a report.
    """
    assessment, analysis = dict(document["assessment"]), dict(document["analysis"])
    hits = [dict(hit) for hit in document["hits"]]
    if not may(actor, Permission.SEE_PERSONAL_DATA):
        analysis |= {"narrative": "", "issues": [], "recommendations": [], "struck": []}
        for hit in hits:
            hit |= {"tokens": [], "notes": []}
    if not may(actor, Permission.SEE_FILINGS):
        assessment["findings"] = [
            found for found in assessment["findings"] if _REPORTS not in found["citation"]
        ]
        for part in (assessment, analysis):
            part["duties"] = [duty for duty in part["duties"] if not duty["form"]]
    return {**document, "assessment": assessment, "analysis": analysis, "hits": hits}
