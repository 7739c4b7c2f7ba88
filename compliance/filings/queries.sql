-- name: customer_lock
-- Whether there is that customer; its row stays as it is until the transaction ends.
SELECT true FROM customers WHERE number = $1 FOR NO KEY UPDATE;

-- name: profile
-- A customer's profile.
SELECT country, industry, details FROM customer_profiles WHERE customer_number = $1;

-- name: set_profile
-- Sets a customer's profile.
INSERT INTO customer_profiles (customer_number, country, industry, details, changed_by, changed_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (customer_number) DO UPDATE
SET country = EXCLUDED.country, industry = EXCLUDED.industry, details = EXCLUDED.details,
    changed_by = EXCLUDED.changed_by, changed_at = EXCLUDED.changed_at;

-- name: case_to_file
-- A case with the flagged transfer it is about and its newest review.
SELECT c.id, c.opened_at, c.customer_number, c.source, c.source_id, f.happened_at, f.kind, f.direction,
       f.usd_minor, f.account_number, r.document
FROM cases c
LEFT JOIN flagged f ON f.id = c.flagged_id
LEFT JOIN LATERAL (SELECT document FROM reviews WHERE flagged_id = c.flagged_id
                   ORDER BY reviewed_at DESC LIMIT 1) r ON true
WHERE c.id = $1;

-- name: transfers_to_file
-- These transfers, the oldest first.
SELECT t.id, t.created_at, t.kind, t.direction, t.usd_minor, t.account_number, t.payee_account, t.counterparty_country, t.details,
       t.state
FROM transfers t
WHERE t.id = ANY ($1)
ORDER BY t.created_at, t.id;

-- name: cash_between
-- Cash that changed hands in a span of time, on any account, the oldest first.
SELECT t.id, t.created_at, t.kind, t.direction, t.usd_minor, t.account_number, t.payee_account, t.counterparty_country, t.details,
       t.state
FROM transfers t
WHERE t.created_at >= $1 AND t.created_at < $2 AND t.kind IN ('cash_deposit', 'cash_withdrawal')
  AND t.state IN ('posted', 'reversing')
ORDER BY t.created_at, t.id
LIMIT $3;

-- name: holders
-- Whose these accounts are, and how they are written; a customer's own accounts too.
SELECT a.number, a.customer_number, a.account_number FROM accounts a
WHERE a.number = ANY ($1) OR a.customer_number = $2;

-- name: people
-- What the directory and the profile know of these customers.
SELECT c.number, c.given_name, c.family_name, c.birth_date, p.country, p.industry, p.details
FROM customers c
LEFT JOIN customer_profiles p ON p.customer_number = c.number
WHERE c.number = ANY ($1);

-- name: add_filing
-- A draft, unless the same report of that case is there already.
INSERT INTO filings (id, case_id, form, report, follows, content, customer_number, begins_on, due_on, authors,
                     prepared_at, changed_by, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ARRAY[$10::text], $11, $10::text, $11)
ON CONFLICT (case_id, form, report, coalesce(follows, case_id)) WHERE state <> 'withdrawn' DO NOTHING
RETURNING *;

-- name: same_filing
-- The report of that case, form and kind which is not withdrawn.
SELECT * FROM filings
WHERE case_id = $1 AND form = $2 AND report = $3 AND coalesce(follows, case_id) = coalesce($4, case_id)
  AND state <> 'withdrawn';

-- name: filing
-- A filing.
SELECT * FROM filings WHERE id = $1;

-- name: lock_filing
-- A filing, for whoever changes it.
SELECT * FROM filings WHERE id = $1 FOR UPDATE;

-- name: filings
-- Filings by state, form and case, the nearest due first.
SELECT * FROM filings
WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR form = $2) AND ($3::uuid IS NULL OR case_id = $3)
ORDER BY due_on, prepared_at, id
LIMIT $4;

-- name: edit_filing
-- Other content; nobody has approved it any more.
UPDATE filings
SET content = $2, due_on = $3, state = 'draft', approved_by = '', approved_at = NULL, batch_id = NULL, place = NULL,
    filed_on = NULL, authors = CASE WHEN $4 = ANY (authors) THEN authors ELSE authors || $4::text END,
    changed_by = $4, changed_at = $5
WHERE id = $1
RETURNING *;

-- name: approve_filing
-- A second pair of eyes has read it.
UPDATE filings SET state = 'approved', approved_by = $2, approved_at = $3, changed_by = $2, changed_at = $3
WHERE id = $1
RETURNING *;

-- name: withdraw_filing
-- It is not to be filed.
UPDATE filings SET state = 'withdrawn', reason = $2, changed_by = $3, changed_at = $4
WHERE id = $1
RETURNING *;

-- name: approved_filings
-- What may go out: approved, its case decided; both locked, before anything is appended to the log.
SELECT f.* FROM filings f
JOIN cases c ON c.id = f.case_id
WHERE f.state = 'approved' AND f.form = $1 AND c.state IN ('decided', 'filed', 'closed')
ORDER BY f.due_on, f.prepared_at, f.id
LIMIT $2
FOR UPDATE OF f, c;

-- name: undecided_filings
-- What is approved and waits for a decision on its case.
SELECT f.id FROM filings f
JOIN cases c ON c.id = f.case_id
WHERE f.state = 'approved' AND f.form = $1 AND c.state NOT IN ('decided', 'filed', 'closed')
ORDER BY f.due_on, f.id;

-- name: export_filing
-- It is in a batch.
UPDATE filings SET state = 'exported', batch_id = $2, place = $3, filed_on = $4, troubles = NULL,
       changed_by = $5, changed_at = $6
WHERE id = $1;

-- name: add_batch
-- A batch as it was exported.
INSERT INTO filing_batches (id, form, file_name, filings, content, exported_by, exported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: unwritten_batches
-- Batches of that form whose file a crash may have kept from being written.
SELECT id, file_name, content FROM filing_batches WHERE form = $1 AND written_at IS NULL ORDER BY exported_at;

-- name: batch_is_written
-- Its file is there.
UPDATE filing_batches SET written_at = $2 WHERE id = $1;

-- name: waiting_batches
-- Batches that no acknowledgement was read for.
SELECT id, form, file_name, filings FROM filing_batches
WHERE acknowledged_at IS NULL AND form <> 'blocked_property_report'
ORDER BY exported_at;

-- name: lock_batch
-- A batch, for whoever acknowledges it.
SELECT id, form, file_name, filings, acknowledged_at FROM filing_batches WHERE id = $1 FOR UPDATE;

-- name: filings_of_batch
-- The reports of a batch in its order, locked.
SELECT * FROM filings WHERE batch_id = $1 ORDER BY place FOR UPDATE;

-- name: answer_filing
-- What the acknowledgement says of a report.
UPDATE filings SET state = $2, bsa_id = $3, troubles = $4, changed_by = $5, changed_at = $6 WHERE id = $1;

-- name: acknowledge_batch
-- What the acknowledgement says of a batch.
UPDATE filing_batches SET is_accepted = $2, acknowledged_by = $3, acknowledged_at = $4 WHERE id = $1;

-- name: awaited_reports
-- Cases that call for a report which nobody has prepared yet: what a decision left to be filed, else what the review asks.
SELECT c.id, d.kind, d.due
FROM cases c
CROSS JOIN LATERAL (
    SELECT duty ->> 'kind' AS kind, min((duty ->> 'due')::date) AS due
    FROM jsonb_array_elements(c.duties) duty
    GROUP BY 1
) d
WHERE d.kind IN ('sar', 'ctr', 'blocked_property_report')
  AND (c.state IN ('open', 'assigned', 'in_review', 'escalated') OR d.kind = ANY (c.forms_awaited))
  AND NOT d.kind = ANY (c.forms_filed)
  AND NOT EXISTS (SELECT FROM filings f WHERE f.case_id = c.id AND f.form = d.kind AND f.state <> 'withdrawn')
ORDER BY d.due NULLS LAST, c.id
LIMIT $1;

-- name: continuing
-- The last report of each chain of suspicious activity, sent, and not followed up yet.
SELECT f.id, f.case_id, f.filed_on FROM filings f
WHERE f.form = 'sar' AND f.state IN ('exported', 'accepted') AND f.report <> 'corrects'
  AND NOT EXISTS (SELECT FROM filings n WHERE n.follows = f.id AND n.report = 'continues' AND n.state <> 'withdrawn')
ORDER BY f.filed_on, f.id
LIMIT $1;
