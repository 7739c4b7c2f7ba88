-- name: internal_movements
-- Transfers between two accounts of ours that were booked since $1, with the day of each, counted from 1970 (UTC).
SELECT account_number, payee_account, payer_minor,
       floor(extract(epoch FROM created_at) / 86400)::bigint AS day
FROM transfers
WHERE payee_account IS NOT NULL AND state = 'posted' AND created_at >= $1
ORDER BY created_at, id;

-- name: countries
-- Countries that are listed now.
SELECT country, status, source, as_of, note FROM countries WHERE removed_at IS NULL ORDER BY country, status, source;

-- name: lock_countries
-- One import at a time.
SELECT pg_advisory_xact_lock(hashtext('holdfast.countries'));

-- name: retire_countries
-- Takes a source's rows out; they stay on record.
UPDATE countries SET removed_by = $2, removed_at = now() WHERE source = $1 AND removed_at IS NULL RETURNING country;

-- name: add_countries
-- Rows of a source: countries, statuses, dates, notes.
INSERT INTO countries (country, status, as_of, note, source, changed_by)
SELECT rows.*, $5, $6 FROM unnest($1::text[], $2::text[], $3::date[], $4::text[]) AS rows;

-- name: has_account
-- Whether there is such an account.
SELECT EXISTS (SELECT FROM accounts WHERE number = $1);

-- name: open_dispute
-- An error that a consumer told of.
INSERT INTO disputes
    (id, account_number, source_id, kind, device, until_2_days_minor, until_60_days_minor, after_60_days_minor, first_on,
     noticed_on, learned_on, statement_on, is_new_account, is_extended, reason, changed_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: dispute
-- One dispute.
SELECT * FROM disputes WHERE id = $1;

-- name: lock_dispute
-- One, until the transaction ends.
SELECT * FROM disputes WHERE id = $1 FOR UPDATE;

-- name: disputes
-- Disputes of a state, or all: open ones first, those that were told first of them.
SELECT * FROM disputes WHERE $1::text IS NULL OR state = $1 ORDER BY state <> 'open', noticed_on, id LIMIT $2;

-- name: credit_dispute
-- Provisionally credited.
UPDATE disputes SET credited_minor = $2, credited_on = $3, changed_by = $4, changed_at = now() WHERE id = $1;

-- name: resolve_dispute
-- Decided, with what the consumer bears.
UPDATE disputes
SET state = $2, resolved_on = $3, liability_minor = $4, resolution = $5, changed_by = $6, changed_at = now()
WHERE id = $1;
