-- Cases, one named query each.

-- name: open_cases
-- Opens those of these cases that there are not yet, at $13 by $14; what was opened.
INSERT INTO cases (id, flagged_id, review_id, kind, queue, tier, source, source_id, customer_number, summary, duties,
                   due_at, opened_at, changed_by, changed_at)
SELECT id, flagged_id, review_id, kind, queue, tier, source, source_id, customer_number, summary, duties::jsonb, due_at,
       $13, $14, $13
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
            $9::integer[], $10::text[], $11::text[], $12::timestamptz[])
     WITH ORDINALITY AS told (id, flagged_id, review_id, kind, queue, tier, source, source_id, customer_number, summary,
                              duties, due_at, place)
ORDER BY id
ON CONFLICT DO NOTHING
RETURNING id, flagged_id, kind, queue, tier, state;

-- name: raise_cases
-- Of cases $1 that nobody has decided, but for $7: review $2, and where it sees more, queue $3, tier $4, duties $5, due $6.
WITH told AS (
    SELECT DISTINCT ON (id) * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        AS told (id, review_id, queue, tier, duties, due_at)
    ORDER BY id, array_position('{high,medium,low}', tier)
), known AS (
    SELECT cases.id, cases.tier FROM cases JOIN told USING (id)
    WHERE cases.id <> ALL ($7::uuid[]) AND cases.state IN ('open', 'assigned', 'in_review', 'escalated')
      AND array_position('{low,medium,high}', told.tier) > array_position('{low,medium,high}', cases.tier)
    ORDER BY cases.id FOR UPDATE OF cases
)
UPDATE cases
SET review_id = told.review_id, tier = told.tier, duties = told.duties::jsonb, due_at = least(cases.due_at, told.due_at),
    queue = CASE WHEN cases.queue = 'sanctions' THEN cases.queue ELSE told.queue END, changed_at = $8, changed_by = $9
FROM told JOIN known USING (id)
WHERE cases.id = told.id
RETURNING cases.id, cases.flagged_id, cases.kind, cases.queue, cases.tier, cases.state, known.tier AS old_tier;

-- name: add_events
-- Steps $2 of cases $1, from states $3 to $4 with details $5, by $6 in role $7, all of one call $8.
INSERT INTO case_events (case_id, event, before, after, details, actor, role, correlation_id)
SELECT case_id, event, before, after, details::jsonb, $6, $7, $8
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
     WITH ORDINALITY AS told (case_id, event, before, after, details, place)
ORDER BY place;
