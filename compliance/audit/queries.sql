-- name: lock_head
-- The end of the chain, locked until this transaction ends, and PostgreSQL's clock in microseconds since 1970.
SELECT number, hash, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at_us FROM audit_head FOR UPDATE;

-- name: append_rows
-- Rows behind the locked end, and the end moved to the last of them.
WITH appended AS (
    INSERT INTO audit (number, content, hash) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])
)
UPDATE audit_head SET number = $4, hash = $5;

-- name: lock_checkpoints
-- One checkpoint at a time, until this transaction ends.
SELECT pg_advisory_xact_lock($1);

-- name: newest_checkpoint
-- The last one that was signed.
SELECT number, document, signature FROM audit_checkpoints ORDER BY number DESC LIMIT 1;

-- name: checkpoints_after
-- Those behind number $1, in order.
SELECT number, document, signature FROM audit_checkpoints WHERE number > $1 ORDER BY number;

-- name: add_checkpoint
-- One more.
INSERT INTO audit_checkpoints (number, document, signature) VALUES ($1, $2, $3);

-- name: hashes_after
-- Rows behind row $1, at most $2.
SELECT number, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2;

-- name: unsealed_rows
-- Rows that no checkpoint holds yet.
SELECT greatest(number - (SELECT coalesce(max(last_row), 0) FROM audit_checkpoints), 0) FROM audit_head;

-- name: head
-- The end of the chain, as it says, and PostgreSQL's clock in microseconds since 1970; no row = it is gone.
SELECT number, hash, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at_us FROM audit_head;

-- name: first_row
-- The oldest row that is still there; null = there is none.
SELECT min(number) FROM audit;

-- name: rows_in_order
-- The whole log, for COPY: what is hashed, and the hash.
SELECT number, hash, content FROM audit ORDER BY number;

-- name: guards_down
-- What should hold the log and does not: triggers that are gone, switched off or fire less, their function if it is
-- another one, columns no longer made from content, or made otherwise. tgtype: 27 = before each row's update or delete,
-- 11 = its delete, 34 = before a truncate.
SELECT 'trigger ' || wanted.name AS guard
FROM (VALUES ('audit_stays', 'audit'::regclass, 27), ('audit_stays_whole', 'audit', 34),
             ('audit_checkpoints_stay', 'audit_checkpoints', 27), ('audit_checkpoints_stay_whole', 'audit_checkpoints', 34),
             ('audit_head_stays', 'audit_head', 11), ('audit_head_stays_whole', 'audit_head', 34)
     ) AS wanted (name, place, fires)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger
    WHERE tgname = wanted.name AND tgrelid = wanted.place AND tgtype = wanted.fires AND tgenabled IN ('O', 'A')
        AND tgqual IS NULL AND tgattr::text = '' AND tgfoid = to_regproc('public.refuse_audit_change'))
UNION ALL
SELECT 'function refuse_audit_change'
WHERE NOT EXISTS (
    SELECT FROM pg_proc
    WHERE oid = to_regproc('public.refuse_audit_change') AND proconfig IS NULL
        AND encode(sha256(convert_to(prosrc, 'UTF8')), 'hex')
            = 'fca4b25e4ebe39c5e8da11678f3d136044dfad0cadf1693fcaad56e9ba3bb7f0')
UNION ALL
SELECT 'rule ' || rulename FROM pg_rules WHERE tablename IN ('audit', 'audit_head', 'audit_checkpoints')
UNION ALL
SELECT 'column ' || wanted.name
FROM (VALUES ('audit'::regclass, 'actor', $$((content)::jsonb ->> 'actor'::text)$$),
             ('audit', 'role', $$((content)::jsonb ->> 'role'::text)$$),
             ('audit', 'action', $$((content)::jsonb ->> 'action'::text)$$),
             ('audit', 'resource', $$((content)::jsonb ->> 'resource'::text)$$),
             ('audit', 'old', $$((content)::jsonb -> 'old'::text)$$),
             ('audit', 'new', $$((content)::jsonb -> 'new'::text)$$),
             ('audit', 'correlation_id', $$((content)::jsonb ->> 'correlation_id'::text)$$),
             ('audit', 'happened_at', $$to_timestamp(((((content)::jsonb ->> 'at_us'::text))::double precision / (1000000)::double precision))$$),
             ('audit_checkpoints', 'last_row', $$(((document)::jsonb ->> 'last_row'::text))::bigint$$),
             ('audit_checkpoints', 'pruned_to', $$(((document)::jsonb ->> 'pruned_to'::text))::bigint$$)
     ) AS wanted (place, name, made)
WHERE NOT EXISTS (
    SELECT FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = wanted.place AND attname = wanted.name AND attgenerated = 's'
        AND pg_get_expr(adbin, adrelid) = wanted.made)
UNION ALL
SELECT 'primary key of ' || wanted.name
FROM unnest('{audit,audit_checkpoints}'::text[]) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = wanted.name::regclass AND indisprimary AND indisvalid);

-- name: find_rows
-- By actor $1, action $2 (or, where $3, what begins so), resource $4, correlation $5, from $6 to $7, before row $8.
SELECT number, happened_at, actor, role, action, resource, old, new, correlation_id, hash
FROM audit
WHERE ($1::text IS NULL OR actor = $1)
    AND ($2::text IS NULL OR CASE WHEN $3 THEN starts_with(action, $2) ELSE action = $2 END)
    AND ($4::text IS NULL OR resource = $4)
    AND ($5::text IS NULL OR correlation_id = $5)
    AND ($6::timestamptz IS NULL OR happened_at >= $6)
    AND ($7::timestamptz IS NULL OR happened_at < $7)
    AND ($8::bigint IS NULL OR number < $8)
ORDER BY number DESC
LIMIT $9;

-- name: row
-- One row.
SELECT number, happened_at, actor, role, action, resource, old, new, correlation_id, hash FROM audit WHERE number = $1;

-- name: hash_of
-- The hash of one row.
SELECT hash FROM audit WHERE number = $1;

-- name: content_of
-- What was hashed of one row.
SELECT content FROM audit WHERE number = $1;

-- name: checkpoint_of
-- The checkpoint that holds a row.
SELECT document, signature FROM audit_checkpoints WHERE last_row >= $1 ORDER BY number LIMIT 1;

-- name: holdable
-- Whether what a hold is to be placed on is there: customer $2, or else id $3.
SELECT CASE $1::text
    WHEN 'customer' THEN EXISTS (SELECT FROM customers WHERE number = $2::integer)
    WHEN 'case' THEN EXISTS (SELECT FROM cases WHERE id = $3::uuid)
    WHEN 'transfer' THEN EXISTS (SELECT FROM transfers WHERE id = $3::uuid)
    ELSE EXISTS (SELECT FROM authorizations WHERE authorization_id = $3::uuid)
END;

-- name: standing_hold
-- The hold on the same that was not lifted.
SELECT id FROM legal_holds WHERE scope = $1 AND reference = $2 AND lifted_at IS NULL FOR UPDATE;

-- name: place_hold
-- One more.
INSERT INTO legal_holds (id, scope, reference, reason, until, placed_by, placed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *;

-- name: lift_hold
-- Lifted; no row = it does not stand.
UPDATE legal_holds SET lifted_by = $2, lifted_at = $3, lift_reason = $4 WHERE id = $1 AND lifted_at IS NULL RETURNING *;

-- name: holds
-- Those that were not lifted, or all.
SELECT * FROM legal_holds WHERE $1 OR lifted_at IS NULL ORDER BY placed_at DESC, id;

-- name: try_retention
-- Whether nobody else deletes.
SELECT pg_try_advisory_lock($1);

-- name: delete_temporary_reviews
-- Reviews that nobody asked to keep, of before $1; holds as at $2; at most $3.
WITH deleted AS (
    DELETE FROM reviews WHERE id = ANY (ARRAY(
        SELECT id FROM reviews
        WHERE temporary AND reviewed_at < $1 AND NOT held_source($2, source_id)
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_filings
-- Filings that are over, of before $1, which no other one follows.
WITH deleted AS (
    DELETE FROM filings WHERE id = ANY (ARRAY(
        SELECT id FROM filings
        WHERE state IN ('accepted', 'withdrawn') AND greatest(changed_at, filed_on::timestamptz) < $1
            AND NOT EXISTS (SELECT FROM filings AS later WHERE later.follows = filings.id)
            AND case_id NOT IN (SELECT held_ids($2))
            AND NOT EXISTS (
                SELECT FROM cases WHERE cases.id = filings.case_id AND held_source($2, cases.source_id))
            AND (customer_number IS NULL OR customer_number NOT IN (SELECT held_customers($2)))
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_filing_batches
-- Batch files of before $1 whose filings are gone; $2 is the time, as everywhere here.
WITH deleted AS (
    DELETE FROM filing_batches WHERE id = ANY (ARRAY(
        SELECT id FROM filing_batches
        WHERE exported_at < $1 AND exported_at < $2::timestamptz
            AND NOT EXISTS (SELECT FROM filings WHERE filings.batch_id = filing_batches.id)
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_case_evidence
-- Evidence of cases that were closed before $1.
WITH deleted AS (
    DELETE FROM case_evidence WHERE id = ANY (ARRAY(
        SELECT case_evidence.id FROM case_evidence
        WHERE case_id IN (
            SELECT id FROM cases
            WHERE state = 'closed' AND changed_at < $1
                AND id NOT IN (SELECT held_ids($2))
                AND (customer_number IS NULL OR customer_number NOT IN (SELECT held_customers($2)))
                AND (source_id IS NULL OR NOT held_source($2, source_id))
                AND NOT EXISTS (SELECT FROM filings WHERE filings.case_id = cases.id))
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_case_events
-- Steps of cases that were closed before $1.
WITH deleted AS (
    DELETE FROM case_events WHERE number = ANY (ARRAY(
        SELECT case_events.number FROM case_events
        WHERE case_id IN (
            SELECT id FROM cases
            WHERE state = 'closed' AND changed_at < $1
                AND id NOT IN (SELECT held_ids($2))
                AND (customer_number IS NULL OR customer_number NOT IN (SELECT held_customers($2)))
                AND (source_id IS NULL OR NOT held_source($2, source_id))
                AND NOT EXISTS (SELECT FROM filings WHERE filings.case_id = cases.id))
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_cases
-- Cases that were closed before $1, and of which nothing is left.
WITH deleted AS (
    DELETE FROM cases WHERE id = ANY (ARRAY(
        SELECT id FROM cases
        WHERE state = 'closed' AND changed_at < $1
            AND id NOT IN (SELECT held_ids($2))
            AND (customer_number IS NULL OR customer_number NOT IN (SELECT held_customers($2)))
            AND (source_id IS NULL OR NOT held_source($2, source_id))
            AND NOT EXISTS (SELECT FROM filings WHERE filings.case_id = cases.id)
            AND NOT EXISTS (SELECT FROM case_events WHERE case_events.case_id = cases.id)
            AND NOT EXISTS (SELECT FROM case_evidence WHERE case_evidence.case_id = cases.id)
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_reviews
-- Reviews of before $1 that no case is about any more.
WITH deleted AS (
    DELETE FROM reviews WHERE id = ANY (ARRAY(
        SELECT id FROM reviews
        WHERE reviewed_at < $1 AND NOT held_source($2, source_id)
            AND NOT EXISTS (SELECT FROM cases WHERE cases.flagged_id = reviews.flagged_id)
            AND NOT EXISTS (
                SELECT FROM flagged
                WHERE flagged.id = reviews.flagged_id
                    AND (flagged.state <> 'done' OR flagged.id IN (SELECT held_ids($2))
                        OR flagged.customer_number IN (SELECT held_customers($2))))
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_flagged
-- What was flagged before $1, is done, and of which nothing is left.
WITH deleted AS (
    DELETE FROM flagged WHERE id = ANY (ARRAY(
        SELECT id FROM flagged
        WHERE flagged_at < $1 AND changed_at < $1 AND state = 'done' AND NOT held_source($2, source_id)
            AND id NOT IN (SELECT held_ids($2))
            AND (customer_number IS NULL OR customer_number NOT IN (SELECT held_customers($2)))
            AND NOT EXISTS (SELECT FROM cases WHERE cases.flagged_id = flagged.id)
            AND NOT EXISTS (SELECT FROM reviews WHERE reviews.flagged_id = flagged.id)
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_analyst_answers
-- What a model answered before $1: pseudonyms only, so no hold is about it; $2 is the time, as everywhere here.
WITH deleted AS (
    DELETE FROM analyst_answers WHERE key = ANY (ARRAY(
        SELECT key FROM analyst_answers WHERE changed_at < $1 AND changed_at < $2::timestamptz LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_transfer_parties
-- Who stood behind transfers that ended before $1.
WITH deleted AS (
    DELETE FROM transfer_parties WHERE transfer_id = ANY (ARRAY(
        SELECT transfer_parties.transfer_id FROM transfer_parties
        WHERE transfer_id IN (
            SELECT id FROM transfers
            WHERE state IN ('posted', 'rejected', 'blocked', 'failed', 'reversed') AND changed_at < $1
                AND NOT held_source($2, transfers.id)
                AND NOT EXISTS (SELECT FROM flagged WHERE flagged.source_id = transfers.id)
                AND NOT EXISTS (SELECT FROM cases WHERE cases.source_id = transfers.id))
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_transfer_events
-- Steps of transfers that ended before $1.
WITH deleted AS (
    DELETE FROM transfer_events USING (
        SELECT transfer_events.transfer_id, transfer_events.number FROM transfer_events
        WHERE transfer_id IN (
            SELECT id FROM transfers
            WHERE state IN ('posted', 'rejected', 'blocked', 'failed', 'reversed') AND changed_at < $1
                AND NOT held_source($2, transfers.id)
                AND NOT EXISTS (SELECT FROM flagged WHERE flagged.source_id = transfers.id)
                AND NOT EXISTS (SELECT FROM cases WHERE cases.source_id = transfers.id))
        LIMIT $3) AS old
    WHERE transfer_events.transfer_id = old.transfer_id AND transfer_events.number = old.number
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_transfers
-- Transfers that ended before $1, and of which nothing is left.
WITH deleted AS (
    DELETE FROM transfers WHERE id = ANY (ARRAY(
        SELECT id FROM transfers
        WHERE state IN ('posted', 'rejected', 'blocked', 'failed', 'reversed') AND changed_at < $1
            AND NOT held_source($2, transfers.id)
            AND NOT EXISTS (SELECT FROM flagged WHERE flagged.source_id = transfers.id)
            AND NOT EXISTS (SELECT FROM cases WHERE cases.source_id = transfers.id)
            AND NOT EXISTS (SELECT FROM transfer_events WHERE transfer_events.transfer_id = transfers.id)
            AND NOT EXISTS (SELECT FROM transfer_parties WHERE transfer_parties.transfer_id = transfers.id)
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_labels
-- What became known, before $1, of authorizations that are gone; $2 is the time, as everywhere here.
WITH deleted AS (
    DELETE FROM labels WHERE number = ANY (ARRAY(
        SELECT number FROM labels
        WHERE received_at < $1 AND received_at < $2::timestamptz AND taken_at IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM authorizations WHERE authorizations.authorization_id = labels.authorization_id)
        LIMIT $3))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: delete_authorizations
-- Decisions of before $1, with what was done to the same authorization, unless some of that is younger.
WITH old AS (
    SELECT coalesce(original_id, authorization_id) AS id FROM authorizations AS one
    WHERE transmission_time < $1
        AND NOT held_source($2, coalesce(original_id, authorization_id))
        AND NOT EXISTS (
            SELECT FROM authorizations AS later
            WHERE (later.original_id = coalesce(one.original_id, one.authorization_id)
                    OR later.authorization_id = coalesce(one.original_id, one.authorization_id))
                AND later.transmission_time >= $1)
        AND NOT EXISTS (
            SELECT FROM flagged WHERE flagged.source_id IN (one.authorization_id, one.original_id))
        AND NOT EXISTS (
            SELECT FROM cases WHERE cases.source_id IN (one.authorization_id, one.original_id))
    LIMIT $3
), deleted AS (
    DELETE FROM authorizations
    WHERE transmission_time < $1
        AND (authorization_id = ANY (ARRAY(SELECT id FROM old)) OR original_id = ANY (ARRAY(SELECT id FROM old)))
    RETURNING 1
)
SELECT count(*)::integer FROM deleted;

-- name: prunable_to
-- The end of the last checkpoint whose rows are all of before $1 and about nothing that is held as at $2; 0 = none.
SELECT coalesce(max(last_row), 0)
FROM audit_checkpoints
WHERE last_row < coalesce((SELECT min(number) FROM audit WHERE happened_at >= $1), 9223372036854775807)
    AND last_row < coalesce((
        SELECT min(number) FROM audit
        WHERE resource IN (
            SELECT scope || ':' || reference FROM legal_holds
            WHERE lifted_at IS NULL AND (until IS NULL OR until > $2))), 9223372036854775807);

-- name: pruned_to
-- The row up to which the log was given up.
SELECT coalesce(max(pruned_to), 0) FROM audit_checkpoints;

-- name: rows_up_to
-- How many rows there are up to row $1.
SELECT count(*)::integer FROM audit WHERE number <= $1;

-- name: given_up_ends
-- Ends of checkpoints whose rows were given up and are still there, the oldest first.
SELECT DISTINCT last_row FROM audit_checkpoints
WHERE last_row <= (SELECT max(pruned_to) FROM audit_checkpoints)
    AND last_row >= (SELECT min(number) FROM audit)
ORDER BY last_row;

-- name: allow_pruning
-- The right to delete, for this transaction.
GRANT DELETE ON audit TO CURRENT_USER;

-- name: delete_audit
-- Rows up to $1: the trigger lets go only those that a checkpoint gave up.
WITH deleted AS (DELETE FROM audit WHERE number <= $1 RETURNING 1) SELECT count(*)::integer FROM deleted;

-- name: refuse_pruning
-- The right is given back.
REVOKE DELETE ON audit FROM CURRENT_USER;
