-- name: shut_imports
-- One import at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtext('holdfast sanctions'));

-- name: in_force
-- The edition of each list that is in force, without its content.
SELECT e.number, e.list_name, e.list_date, e.entry_count, e.name_count, e.alias_count, e.address_count, e.orphan_count,
       e.files, e.changed_by, e.changed_at
FROM sanctions_lists l JOIN sanctions_editions e ON e.number = l.edition ORDER BY e.list_name;

-- name: content
-- The entries of editions $1.
SELECT number, content FROM sanctions_editions WHERE number = ANY ($1::bigint[]);

-- name: add_edition
-- A new edition; its number.
INSERT INTO sanctions_editions (list_name, list_date, entry_count, name_count, alias_count, address_count, orphan_count,
                                files, content, changed_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING number;

-- name: add_changes
-- What edition $1 changed.
INSERT INTO sanctions_changes (edition, entry_id, change, entry_name)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[]);

-- name: switch
-- Edition $2 of list $1 is in force from now on, by $3.
INSERT INTO sanctions_lists (list_name, edition, changed_by) VALUES ($1, $2, $3)
ON CONFLICT (list_name) DO UPDATE SET edition = excluded.edition, changed_by = excluded.changed_by, changed_at = now();

-- name: tell
-- Whoever holds lists in memory may look.
SELECT pg_notify('holdfast_sanctions', '');

-- name: changes
-- What the edition in force of list $1 (null: of each) changed, at most $2.
SELECT e.list_name, e.list_date, c.entry_id, c.change, c.entry_name
FROM sanctions_lists l JOIN sanctions_editions e ON e.number = l.edition JOIN sanctions_changes c ON c.edition = e.number
WHERE $1::text IS NULL OR l.list_name = $1
ORDER BY e.list_name, c.change, c.entry_name LIMIT $2;

-- name: changed_since
-- Entries that editions after $1 added or changed, as far as they are in force.
SELECT DISTINCT e.list_name, c.entry_id
FROM sanctions_changes c JOIN sanctions_editions e ON e.number = c.edition
WHERE c.edition > $1 AND c.change <> 'removed';

-- name: exceptions
-- Exceptions that count on day $1.
SELECT number, customer_number, party_key, list_name, entry_id, entry_digest FROM sanctions_exceptions
WHERE withdrawn_at IS NULL AND expires_on >= $1;

-- name: all_exceptions
-- Every exception, the newest first, at most $1.
SELECT number, customer_number, encode(party_key, 'hex') AS party_key, list_name, entry_id, reason, expires_on,
       created_by, created_at, withdrawn_by, withdrawn_at
FROM sanctions_exceptions ORDER BY number DESC LIMIT $1;

-- name: add_exception
-- An exception; its number.
INSERT INTO sanctions_exceptions (customer_number, party_key, list_name, entry_id, entry_digest, reason, expires_on, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number;

-- name: withdraw_exception
-- Exception $1 no longer counts, by $2; its customer.
UPDATE sanctions_exceptions SET withdrawn_by = $2, withdrawn_at = now()
WHERE number = $1 AND withdrawn_at IS NULL RETURNING customer_number, list_name, entry_id;

-- name: forget_screening
-- Customer $1 is to be screened again.
DELETE FROM sanctions_screened WHERE customer_number = $1;

-- name: exceptions_mark
-- What moves where an exception is added or withdrawn.
SELECT count(*) + count(withdrawn_at) AS mark FROM sanctions_exceptions;

-- name: unscreened
-- At most $2 customers after number $3 that were never screened, changed since, or were screened before edition $1.
SELECT c.number, c.given_name, c.family_name, c.birth_date, c.version, coalesce(p.country, '') AS country,
       CASE WHEN s.customer_version = c.version THEN s.edition ELSE 0 END AS edition
FROM customers c
LEFT JOIN sanctions_screened s ON s.customer_number = c.number
LEFT JOIN customer_profiles p ON p.customer_number = c.number
WHERE c.number > $3
  AND (s.customer_number IS NULL OR s.customer_version <> c.version OR s.edition < $1
       OR p.changed_at > s.screened_at)
ORDER BY c.number LIMIT $2;

-- name: note_screened
-- Customers $1 with their versions $2 were screened against everything up to edition $3.
INSERT INTO sanctions_screened (customer_number, customer_version, edition)
SELECT n.number, n.version::xid8, $3 FROM unnest($1::integer[], $2::text[]) AS n(number, version)
ON CONFLICT (customer_number) DO UPDATE
SET customer_version = excluded.customer_version, edition = excluded.edition, screened_at = now();

-- name: note_match
-- A customer's hit; returns whether it is news. What is true stays true until a person clears it.
INSERT INTO sanctions_matches AS m (customer_number, list_name, entry_id, score, state, list_date, report_due, changed_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (customer_number, list_name, entry_id) DO UPDATE
SET score = excluded.score, state = excluded.state, list_date = excluded.list_date, report_due = excluded.report_due,
    changed_by = excluded.changed_by, changed_at = now()
WHERE m.state <> excluded.state AND (m.state <> 'true' OR excluded.state = 'cleared')
RETURNING true AS is_news;

-- name: block_customer
-- Customer $1 is blocked: every card answers 59 as soon as the directory has followed.
UPDATE customers SET compliance_block = true WHERE number = $1 AND NOT compliance_block RETURNING number;

-- name: matches
-- Customers that are on lists, the newest first, at most $1.
SELECT customer_number, list_name, entry_id, score, state, list_date, report_due, found_at FROM sanctions_matches
ORDER BY found_at DESC LIMIT $1;

-- name: rescreening
-- How far counterparties were screened, locked; nothing where another worker is at it.
SELECT edition, towards, after FROM sanctions_rescreening FOR UPDATE SKIP LOCKED;

-- name: recent_counterparties
-- At most $3 counterparties after key $1 of transfers since $2, each as the newest of them names it.
SELECT DISTINCT ON (p.counterparty_key) p.counterparty_key, t.details
FROM transfer_parties p JOIN transfers t ON t.id = p.transfer_id
WHERE p.counterparty_key > $1 AND t.created_at >= $2
ORDER BY p.counterparty_key, t.created_at DESC LIMIT $3;

-- name: transfers_of
-- Of transfers since $2 with counterparties $1 those that still wait, and the newest of each account.
SELECT id
FROM (SELECT t.id, t.state,
             row_number() OVER (PARTITION BY p.counterparty_key, t.account_number ORDER BY t.created_at DESC, t.id) AS nth
      FROM transfer_parties p JOIN transfers t ON t.id = p.transfer_id
      WHERE p.counterparty_key = ANY ($1::bytea[]) AND t.created_at >= $2) recent
WHERE nth = 1 OR state = 'pending_review';

-- name: move_rescreening
-- Counterparties up to key $2 were held against everything up to edition $1.
UPDATE sanctions_rescreening SET towards = $1, after = $2, moved_at = now();

-- name: rescreened
-- All recent counterparties were held against everything up to edition $1.
UPDATE sanctions_rescreening SET edition = $1, towards = $1, after = '', moved_at = now();
