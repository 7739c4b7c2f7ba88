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
-- A duty that an earlier review saw stays.
WITH told AS (
    SELECT DISTINCT ON (id) * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        AS told (id, review_id, queue, tier, duties, due_at)
    ORDER BY id, array_position('{high,medium,low}', tier)
), known AS (
    SELECT cases.id, cases.tier,
           array_position('{low,medium,high}', told.tier) > array_position('{low,medium,high}', cases.tier) AS is_higher,
           ARRAY (SELECT duty FROM jsonb_array_elements(cases.duties) AS kept (duty)
                  WHERE NOT told.duties::jsonb @> jsonb_build_array(jsonb_build_object('kind', duty -> 'kind'))) AS kept
    FROM cases JOIN told USING (id)
    WHERE cases.id <> ALL ($7::uuid[]) AND cases.state IN ('open', 'assigned', 'in_review', 'escalated')
    ORDER BY cases.id FOR UPDATE OF cases
)
UPDATE cases
SET review_id = told.review_id, tier = CASE WHEN known.is_higher THEN told.tier ELSE cases.tier END,
    duties = told.duties::jsonb || to_jsonb(known.kept), due_at = least(cases.due_at, told.due_at),
    queue = CASE WHEN cases.queue = 'sanctions' OR NOT known.is_higher AND told.queue <> 'sanctions' THEN cases.queue
                 ELSE told.queue END,
    changed_at = $8, changed_by = $9
FROM told JOIN known USING (id)
WHERE cases.id = told.id
  AND (known.is_higher
       OR jsonb_array_length(told.duties::jsonb) + cardinality(known.kept) > jsonb_array_length(cases.duties))
RETURNING cases.id, cases.flagged_id, cases.kind, cases.queue, cases.tier, cases.state, known.tier AS old_tier,
          cases.state AS old_state;

-- name: reopen_cases
-- Of cases $1 that somebody has decided those that are news ($7), or have a form to file or a block to make that the
-- decision did not know of: open again with review $2, queue $3, tier $4, duties $5, due $6; at $8 by $9.
WITH told AS (
    SELECT DISTINCT ON (id) *
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::boolean[])
        AS told (id, review_id, queue, tier, duties, due_at, is_news)
    ORDER BY id, array_position('{high,medium,low}', tier)
), known AS (
    SELECT cases.id, cases.tier, cases.state,
           ARRAY (SELECT duty FROM jsonb_array_elements(cases.duties) AS kept (duty)
                  WHERE NOT told.duties::jsonb @> jsonb_build_array(jsonb_build_object('kind', duty -> 'kind'))) AS kept
    FROM cases JOIN told USING (id)
    WHERE cases.state IN ('decided', 'filed', 'closed')
      AND (told.is_news OR EXISTS (
          SELECT FROM jsonb_array_elements(told.duties::jsonb) AS new (duty)
          WHERE (duty ->> 'form' <> '' OR duty ->> 'kind' = 'block')
            AND NOT cases.duties @> jsonb_build_array(jsonb_build_object('kind', duty -> 'kind'))))
    ORDER BY cases.id FOR UPDATE OF cases
)
UPDATE cases
SET review_id = told.review_id, duties = told.duties::jsonb || to_jsonb(known.kept), due_at = told.due_at,
    tier = CASE WHEN array_position('{low,medium,high}', told.tier) > array_position('{low,medium,high}', cases.tier)
                THEN told.tier ELSE cases.tier END,
    queue = CASE WHEN told.queue = 'sanctions' THEN told.queue ELSE cases.queue END,
    state = 'open', assignee = '', disposition = NULL, actions = '{}', reason = NULL, decided_by = '', decided_at = NULL,
    approved_by = '', approved_at = NULL, forms_awaited = '{}', reopened_at = $8, changed_at = $8, changed_by = $9
FROM told JOIN known USING (id)
WHERE cases.id = told.id
RETURNING cases.id, cases.flagged_id, cases.kind, cases.queue, cases.tier, cases.state, known.tier AS old_tier,
          known.state AS old_state;

-- name: add_events
-- Steps $2 of cases $1, from states $3 to $4 with details $5, by $6 in role $7, all of one call $8.
INSERT INTO case_events (case_id, event, before, after, details, actor, role, correlation_id)
SELECT case_id, event, before, after, details::jsonb, $6, $7, $8
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
     WITH ORDINALITY AS told (case_id, event, before, after, details, place)
ORDER BY place;

-- name: lock_case
-- Case $1 with its customer's names, held until the transaction ends.
SELECT cases.*, customers.given_name, customers.family_name
FROM cases LEFT JOIN customers ON customers.number = cases.customer_number
WHERE cases.id = $1 FOR UPDATE OF cases;

-- name: find_case
-- Case $1 with its customer's names.
SELECT cases.*, customers.given_name, customers.family_name
FROM cases LEFT JOIN customers ON customers.number = cases.customer_number
WHERE cases.id = $1;

-- name: find_cases
-- Cases $1 with their customers' names.
SELECT cases.*, customers.given_name, customers.family_name
FROM cases LEFT JOIN customers ON customers.number = cases.customer_number
WHERE cases.id = ANY ($1::uuid[]);

-- name: list_cases
-- At most $12 cases in states $1, tiers $2, queues $3, of assignee $4, customer $5, source $6, overdue at $7, opened
-- from $8 to $9, due after position ($10, $11): what is due first comes first.
SELECT cases.*, customers.given_name, customers.family_name
FROM cases LEFT JOIN customers ON customers.number = cases.customer_number
WHERE cases.state = ANY ($1::text[])
  AND ($2::text[] IS NULL OR cases.tier = ANY ($2))
  AND ($3::text[] IS NULL OR cases.queue = ANY ($3))
  AND ($4::text IS NULL OR cases.assignee = $4)
  AND ($5::integer IS NULL OR cases.customer_number = $5)
  AND ($6::uuid IS NULL OR cases.source_id = $6)
  AND ($7::timestamptz IS NULL
       OR cases.due_at < $7 AND cases.state IN ('open', 'assigned', 'in_review', 'escalated'))
  AND ($8::timestamptz IS NULL OR cases.opened_at >= $8)
  AND ($9::timestamptz IS NULL OR cases.opened_at < $9)
  AND ($10::timestamptz IS NULL OR (cases.due_at, cases.id) > ($10, $11::uuid))
ORDER BY cases.due_at, cases.id
LIMIT $12;

-- name: search_cases
-- At most $6 cases whose summary has the words $1, or of id or transaction $2, customer $3, older than position ($4, $5).
SELECT cases.*, customers.given_name, customers.family_name
FROM cases LEFT JOIN customers ON customers.number = cases.customer_number
WHERE (to_tsvector('simple', cases.summary) @@ plainto_tsquery('simple', $1)
       OR cases.id = $2::uuid OR cases.source_id = $2::uuid OR cases.customer_number = $3::integer)
  AND ($4::timestamptz IS NULL OR (cases.opened_at, cases.id) < ($4, $5::uuid))
ORDER BY cases.opened_at DESC, cases.id DESC
LIMIT $6;

-- name: case_events
-- The newest $2 steps of case $1, oldest first.
SELECT * FROM (
    SELECT number, event, before, after, actor, role, details, text, correlation_id, happened_at
    FROM case_events WHERE case_id = $1 ORDER BY number DESC LIMIT $2
) AS newest ORDER BY number;

-- name: case_evidence
-- What was laid to case $1, oldest first.
SELECT id, name, sha256, size, added_by, added_at FROM case_evidence WHERE case_id = $1 ORDER BY added_at, id;

-- name: find_evidence
-- Evidence $2 of case $1, with its content.
SELECT id, name, sha256, size, added_by, added_at, content FROM case_evidence WHERE case_id = $1 AND id = $2;

-- name: add_evidence
-- Evidence $1 to case $2: name, digest, size, content, by whom and when; nothing where it is there.
INSERT INTO case_evidence (id, case_id, name, sha256, size, content, added_by, added_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (case_id, sha256) DO NOTHING
RETURNING id;

-- name: add_event
-- A step of case $1: what, from state to state, details, text, by whom in which role, of which call.
INSERT INTO case_events (case_id, event, before, after, details, text, actor, role, correlation_id)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9);

-- name: change_case
-- Case $1: state, assignee, disposition, actions, reason where $19, proposer, decider, approver, filings after a step.
UPDATE cases
SET state = $2, assignee = $3, disposition = $4, actions = $5, reason = CASE WHEN $19 THEN $6 ELSE reason END, proposed_by = $7, decided_by = $8,
    decided_at = $9, approved_by = $10, approved_at = $11, forms_awaited = $12, forms_filed = $13, filings = $14,
    due_at = $15, reopened_at = $16, changed_by = $17, changed_at = $18
WHERE id = $1;

-- name: decide_transfer
-- Decision $2 on transfer $1, by $3, because of $4; nothing where it does not wait for one any more.
UPDATE transfers
SET state = 'deciding', decision = $2, decided_by = $3, decision_reason = $4, decided_at = now(), changed_at = now()
WHERE id = $1 AND state = 'pending_review'
RETURNING id;

-- name: transfer_standing
-- How transfer $1 stands.
SELECT state, decision, decided_by FROM transfers WHERE id = $1;

-- name: tell_transfers
-- The server hears at its commit that a transfer is to be carried on.
NOTIFY holdfast_transfers;

-- name: card_of_authorization
-- The card of authorization $1, held until the transaction ends.
SELECT number, state FROM cards
WHERE number = (SELECT card_number FROM authorizations WHERE authorization_id = $1 AND card_number IS NOT NULL LIMIT 1)
FOR UPDATE;

-- name: move_card
-- Card $1 goes to state $2.
UPDATE cards SET state = $2 WHERE number = $1;

-- name: mark_customer
-- Sets customer $1's compliance block to $2; nothing where it is so.
UPDATE customers SET compliance_block = $2 WHERE number = $1 AND compliance_block <> $2 RETURNING number;

-- name: add_label
-- Verdict $2 on authorization $1, report $3, learnt and received at $4, by $5, sender $6.
INSERT INTO labels (authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, sender)
VALUES ($1, $2, $3, $4, $4, 'compliance', $5, $6)
ON CONFLICT (authorization_id, verdict, report_id) DO NOTHING;

-- name: holder_of
-- The customer of the authorization, transfer or customer ($1) that $2 names; null where there is none.
SELECT CASE $1::text
    WHEN 'transfer' THEN
        (SELECT accounts.customer_number FROM transfers JOIN accounts ON accounts.number = transfers.account_number
         WHERE transfers.id = $2::uuid)
    WHEN 'authorization' THEN
        (SELECT accounts.customer_number
         FROM authorizations JOIN accounts ON accounts.number = authorizations.account_number
         WHERE authorizations.authorization_id = $2::uuid LIMIT 1)
    ELSE (SELECT number FROM customers WHERE lpad(to_hex(number), 32, '0')::uuid = $2::uuid)
END;

-- name: has_to_stay_blocked
-- Whether customer $1 was found to be somebody on a list, or a case that nobody has decided wants him blocked, but for $2.
SELECT EXISTS (SELECT FROM sanctions_matches WHERE customer_number = $1 AND state = 'true')
    OR EXISTS (SELECT FROM cases WHERE customer_number = $1 AND id <> $2 AND duties @> '[{"kind": "block"}]'
                 AND state IN ('open', 'assigned', 'in_review', 'escalated'));

-- name: has_customer
-- Whether there is customer $1.
SELECT EXISTS (SELECT FROM customers WHERE number = $1);

-- name: count_steps
-- How many steps case $1 has had.
SELECT count(*) FROM case_events WHERE case_id = $1;

-- name: watch_position
-- Where somebody begins who wants to hear of what is new from now on.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: changes
-- At most $3 steps after position ($1, $2), of transactions that nothing older can follow.
SELECT number, version::text::bigint AS version, case_id, event, before, after, actor, happened_at
FROM case_events
WHERE (version, number) > ($1::bigint::text::xid8, $2::bigint)
  AND version < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY case_events.version, number
LIMIT $3;

-- name: find_flagged
-- The row of flagged that is $1.
SELECT id, source, source_id, customer_number, kind, direction, amount_minor, currency, usd_minor, happened_at, flags,
       state, tries, trouble, flagged_at, changed_by
FROM flagged WHERE id = $1;

-- name: trail_of_reviews
-- Reviews of flagged row $1, oldest first.
SELECT id, tier, composite, origin, hits, matched, reviewed_by, reviewed_at FROM reviews
WHERE flagged_id = $1 ORDER BY reviewed_at LIMIT 500;

-- name: newest_review
-- The newest review of flagged row $1, sealed.
SELECT id, document FROM reviews WHERE flagged_id = $1 ORDER BY reviewed_at DESC LIMIT 1;

-- name: trail_of_transfer
-- What became of transfer $1.
SELECT transfers.kind, transfers.direction, transfers.account_number, transfers.amount_minor, transfers.currency,
       transfers.created_at, transfer_events.state, transfer_events.actor, transfer_events.reason,
       transfer_events.happened_at
FROM transfers JOIN transfer_events ON transfer_events.transfer_id = transfers.id
WHERE transfers.id = $1 ORDER BY transfer_events.number;

-- name: trail_of_authorization
-- Authorization $1 and what came after it.
SELECT authorization_id, original_id, operation, response_code, amount_minor, currency, approved_minor, score, card_number,
       account_number, merchant_category, held, decision_time
FROM authorizations WHERE authorization_id = $1 OR original_id = $1 ORDER BY sequence;

-- name: trail_of_labels
-- What was told of authorization $1.
SELECT verdict, source, reported_by, received_at, taken_at FROM labels WHERE authorization_id = $1 ORDER BY number;

-- name: case_of_flagged
-- The case about flagged row $1, or about source $2.
SELECT id FROM cases WHERE flagged_id = $1 OR source_id = $2 ORDER BY opened_at LIMIT 1;

-- name: trail_of_audit
-- Audit rows about any of the resources $1, oldest first; the newest $2.
SELECT * FROM (
    SELECT number, actor, role, action, resource, correlation_id, happened_at FROM audit
    WHERE resource = ANY ($1::text[]) ORDER BY number DESC LIMIT $2
) AS newest ORDER BY number;
