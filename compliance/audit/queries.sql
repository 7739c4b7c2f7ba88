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
-- What should hold the log and does not: triggers that are gone or switched off, columns no longer made from content.
SELECT 'trigger ' || wanted.name AS guard
FROM unnest('{audit_stays,audit_stays_whole,audit_checkpoints_stay,audit_checkpoints_stay_whole,audit_head_stays,audit_head_stays_whole}'::text[]) AS wanted (name)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger
    WHERE tgname = wanted.name AND tgenabled IN ('O', 'A')
        AND tgrelid IN ('audit'::regclass, 'audit_head'::regclass, 'audit_checkpoints'::regclass))
UNION ALL
SELECT 'column ' || wanted.name
FROM unnest('{actor,role,action,resource,old,new,correlation_id,happened_at}'::text[]) AS wanted (name)
WHERE NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = 'audit'::regclass AND attname = wanted.name AND attgenerated = 's')
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
