-- name: lock_head
-- The end of the chain, locked until this transaction ends, and PostgreSQL's clock in microseconds since 1970.
SELECT number, hash, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at_us FROM audit_head FOR UPDATE;

-- name: append_rows
-- Rows behind the locked end, and the end moved to the last of them.
WITH appended AS (
    INSERT INTO audit (number, content, hash) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])
)
UPDATE audit_head SET number = $4, hash = $5;
