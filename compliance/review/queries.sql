-- name: intake_position
-- How far source $1 was read, locked; nothing where somebody else reads it. And what this snapshot can tell.
SELECT position,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
       coalesce((SELECT position FROM journal_positions WHERE journal = 'decisions'), 0) AS shipped
FROM intake_positions WHERE source = $1
FOR UPDATE SKIP LOCKED;

-- name: move_intake
-- Source $1 was read up to $2.
UPDATE intake_positions SET position = $2, moved_at = now() WHERE source = $1;

-- name: new_transfer_events
-- Transfers not taken in that came to rest, or wait, in transactions from $1 on: at least $2 where there are so many.
SELECT transfer_id, version::text::bigint AS version FROM transfer_events
WHERE version >= $1::xid8 AND version < pg_snapshot_xmax(pg_current_snapshot())
  AND state IN ('pending_review', 'posted', 'failed', 'rejected', 'blocked')
  AND NOT EXISTS (SELECT FROM transfer_parties k WHERE k.transfer_id = transfer_events.transfer_id)
ORDER BY transfer_events.version
FETCH FIRST $2 ROWS WITH TIES;

-- name: new_transfers
-- The transfers $1 with their customers.
SELECT t.*, a.customer_number, c.given_name, c.family_name, c.birth_date, c.risk_rating, c.kyc_state,
       c.politically_exposed, c.compliance_block, c.created_at AS customer_since, p.country, p.industry,
       NULL::integer[] AS accounts
FROM transfers t
JOIN accounts a ON a.number = t.account_number
JOIN customers c ON c.number = a.customer_number
LEFT JOIN customer_profiles p ON p.customer_number = c.number
WHERE t.id = ANY ($1::uuid[]);

-- name: add_parties
-- Who takes part in transfers: ids $1, counterparties $2, persons at the counter $3, whether those are not the holders $4.
INSERT INTO transfer_parties (transfer_id, counterparty_key, person_key, has_conductor)
SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::boolean[])
ON CONFLICT DO NOTHING;

-- name: new_authorizations
-- What was shipped after position $1 and up to $2 and may be flagged: by amount $3, score $4, countries beyond $5, currencies beyond $6.
SELECT a.authorization_id, a.transmission_time, a.amount_minor, a.billed_minor, a.approved_minor, a.card_number,
       a.account_number, a.score, a.transaction_type, a.currency, a.billing_currency, a.merchant_country,
       a.merchant_category, a.response_code, a.merchant_name, a.merchant_city, a.limits_passed, a.rules_hit,
       acc.customer_number, c.risk_rating, c.kyc_state, c.politically_exposed, c.compliance_block,
       c.created_at AS customer_since, p.country, p.industry, NULL::integer[] AS accounts
FROM authorizations a
JOIN accounts acc ON acc.number = a.account_number
JOIN customers c ON c.number = acc.customer_number
LEFT JOIN customer_profiles p ON p.customer_number = c.number
WHERE a.shipment > $1 AND a.shipment <= $2 AND a.operation IN (1, 4)
  AND (a.billed_minor >= $3 OR a.score >= $4 OR a.approved_minor > 0 AND a.merchant_country <> ALL ($5::smallint[])
       OR a.billing_currency <> ALL ($6::smallint[]) OR c.politically_exposed OR c.kyc_state <> 'verified'
       OR c.compliance_block OR c.risk_rating = 'high' OR coalesce(p.country, '') NOT IN ('', 'US')
       OR array_remove(a.limits_passed, 0::smallint) <> '{}' OR array_remove(a.rules_hit, 0::smallint) <> '{}');

-- name: flag
-- Flags what is not flagged yet, by $13: id, source, its id, customer, account, kind, direction, amount, currency, worth, time, flags.
WITH added AS (
    INSERT INTO flagged (id, source, source_id, customer_number, account_number, kind, direction, amount_minor,
                         currency, usd_minor, happened_at, flags, urgency, changed_by)
    SELECT n.id, n.source, n.source_id, n.customer_number, n.account_number, n.kind, n.direction, n.amount_minor,
           n.currency, n.usd_minor, n.happened_at, string_to_array(n.flags, ' '),
           CASE WHEN n.flags LIKE '%waiting%' OR n.source = 'customer' THEN 0 ELSE 1 END, $13
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::integer[], $6::text[], $7::text[],
                $8::bigint[], $9::smallint[], $10::bigint[], $11::timestamptz[], $12::text[])
        AS n(id, source, source_id, customer_number, account_number, kind, direction, amount_minor, currency,
             usd_minor, happened_at, flags)
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added;

-- name: flag_again
-- A customer of id $1, met on a list again: reviewed again, by $2, unless it waits already.
UPDATE flagged SET state = 'waiting', tries = 0, due_at = now(), trouble = '', changed_by = $2, changed_at = now()
WHERE id = $1 AND state IN ('done', 'parked');

-- name: lock_flagged
-- The states of ids $1, locked.
SELECT state FROM flagged WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE;

-- name: flag_listed
-- Ids $1 are flagged by $2 too, and reviewed again, by $3, unless they wait already or are under review.
UPDATE flagged
SET state = 'waiting', tries = 0, due_at = now(), trouble = '', changed_by = $3, changed_at = now(),
    flags = CASE WHEN $2 = ANY (flags) THEN flags ELSE flags || $2 END
WHERE id = ANY ($1::uuid[]) AND state IN ('done', 'parked');

-- name: tell_flagged
-- Whoever waits for work may look.
SELECT pg_notify('holdfast_flagged', '');

-- name: limit_names
-- Names of limits.
SELECT number, name FROM limit_names;

-- name: claim
-- At most $1 rows that are due, the urgent first, for holder $2, with a lease of $3.
UPDATE flagged
SET state = 'claimed', claimed_by = $2, lease_until = now() + $3, tries = tries + 1, changed_by = $2, changed_at = now()
WHERE id IN (SELECT id FROM flagged WHERE state = 'waiting' AND due_at <= now()
             ORDER BY urgency, due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, source, source_id, flags, tries;

-- name: extend
-- The lease of the rows $1 of holder $2 ends $3 from now.
UPDATE flagged SET lease_until = now() + $3 WHERE id = ANY ($1::uuid[]) AND state = 'claimed' AND claimed_by = $2;

-- name: finish
-- Of the rows $1 those that holder $2 still has are done.
UPDATE flagged
SET state = 'done', lease_until = NULL, trouble = '', changed_by = $2, changed_at = now()
WHERE id = ANY ($1::uuid[]) AND state = 'claimed' AND claimed_by = $2
RETURNING id;

-- name: fail
-- The review of row $1 by holder $2 failed because of $3: again after the pause of $4, or parked after $5 tries.
UPDATE flagged
SET state = CASE WHEN tries >= $5 THEN 'parked' ELSE 'waiting' END,
    due_at = now() + coalesce(($4::interval[])[tries], '0'), lease_until = NULL, claimed_by = '',
    trouble = $3, changed_by = $2, changed_at = now()
WHERE id = $1 AND state = 'claimed' AND claimed_by = $2
RETURNING state;

-- name: give_back
-- The rows $1 of holder $2 were not tried.
UPDATE flagged
SET state = 'waiting', lease_until = NULL, claimed_by = '', tries = tries - 1, changed_by = $2, changed_at = now()
WHERE id = ANY ($1::uuid[]) AND state = 'claimed' AND claimed_by = $2;

-- name: rescue
-- What dead workers hold waits again, or is parked after $2 tries; by $1.
UPDATE flagged
SET state = CASE WHEN tries >= $2 THEN 'parked' ELSE 'waiting' END, due_at = now(), lease_until = NULL,
    trouble = 'its worker ' || claimed_by || ' died, or took longer than its lease', claimed_by = '',
    changed_by = $1, changed_at = now()
WHERE id IN (SELECT id FROM flagged WHERE state = 'claimed' AND lease_until < now() FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: depth
-- How much stands in each state but done, and for how many seconds the longest.
SELECT state, count(*), extract(epoch FROM now() - min(flagged_at))::double precision AS oldest_s
FROM flagged WHERE state <> 'done' GROUP BY state;

-- name: look
-- The rows in states $1, the longest there first, at most $2.
SELECT id, source, source_id, kind, flags, state, tries, due_at, claimed_by, trouble, flagged_at
FROM flagged WHERE state = ANY ($1::text[]) ORDER BY urgency, due_at LIMIT $2;

-- name: retry
-- Parked rows, those of ids $1 or all, wait again with all their tries; by $2.
UPDATE flagged
SET state = 'waiting', tries = 0, due_at = now(), changed_by = $2, changed_at = now()
WHERE state = 'parked' AND ($1::uuid[] IS NULL OR id = ANY ($1))
RETURNING id;

-- name: transfers
-- The transfers $1 with the keys of who takes part.
SELECT t.*, a.customer_number, k.counterparty_key, k.person_key, coalesce(k.has_conductor, false) AS has_conductor
FROM transfers t
JOIN accounts a ON a.number = t.account_number
LEFT JOIN transfer_parties k ON k.transfer_id = t.id
WHERE t.id = ANY ($1::uuid[]);

-- name: authorizations
-- The authorizations $1, each by its first decision.
SELECT DISTINCT ON (a.authorization_id) a.authorization_id, a.transmission_time, a.amount_minor, a.billed_minor,
       a.approved_minor, a.card_number, a.account_number, a.score, a.transaction_type, a.currency, a.billing_currency,
       a.merchant_country, a.merchant_category, a.response_code, a.acquirer_id, a.merchant_id, a.merchant_name,
       a.merchant_city, a.limits_passed, a.rules_hit, acc.customer_number
FROM authorizations a
JOIN accounts acc ON acc.number = a.account_number
WHERE a.authorization_id = ANY ($1::uuid[]) AND a.operation IN (1, 4)
ORDER BY a.authorization_id, a.sequence;

-- name: customers
-- The customers $1 with their accounts.
SELECT c.number AS customer_number, c.given_name, c.family_name, c.birth_date, c.risk_rating, c.kyc_state,
       c.politically_exposed, c.compliance_block, c.created_at AS customer_since,
       coalesce(p.country, '') AS country, coalesce(p.industry, '') AS industry,
       array(SELECT number FROM accounts WHERE customer_number = c.number ORDER BY number) AS accounts
FROM customers c LEFT JOIN customer_profiles p ON p.customer_number = c.number
WHERE c.number = ANY ($1::integer[]);

-- name: past_transfers
-- Of subjects $1 (customers $2, times $3) the transfers of the 90 days before, the newest $4 of each account and side.
SELECT s.id AS subject_id, t.id, t.created_at, t.kind, t.direction, t.usd_minor, t.account_number, t.payee_account,
       t.counterparty_country, t.is_payee, s.customer_number, k.counterparty_key, k.person_key,
       coalesce(k.has_conductor, false) AS has_conductor
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS s(id, customer_number, at)
JOIN accounts a ON a.customer_number = s.customer_number
CROSS JOIN LATERAL (
    (SELECT id, created_at, kind, direction, usd_minor, account_number, payee_account, counterparty_country,
            false AS is_payee
     FROM transfers
     WHERE account_number = a.number AND created_at > s.at - interval '90 days' AND created_at <= s.at
       AND state NOT IN ('failed', 'rejected', 'blocked')
     ORDER BY created_at DESC LIMIT $4)
    UNION ALL
    (SELECT id, created_at, kind, direction, usd_minor, account_number, payee_account, counterparty_country, true
     FROM transfers
     WHERE payee_account = a.number AND created_at > s.at - interval '90 days' AND created_at <= s.at
       AND state NOT IN ('failed', 'rejected', 'blocked')
     ORDER BY created_at DESC LIMIT $4)
) t
LEFT JOIN transfer_parties k ON k.transfer_id = t.id;

-- name: past_authorizations
-- Of subjects $1 (customers $2, times $3) what cards paid in the 90 days before, the newest $4 of each card.
SELECT s.id AS subject_id, t.authorization_id, t.transmission_time, t.approved_minor, t.billing_currency,
       t.transaction_type, t.merchant_country, t.acquirer_id, t.merchant_id, a.number AS account_number,
       s.customer_number
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS s(id, customer_number, at)
JOIN accounts a ON a.customer_number = s.customer_number
JOIN cards c ON c.account_number = a.number
CROSS JOIN LATERAL (
    SELECT authorization_id, transmission_time, approved_minor, billing_currency, transaction_type, merchant_country,
           acquirer_id, merchant_id
    FROM authorizations
    WHERE card_number = c.number AND transmission_time > s.at - interval '90 days' AND transmission_time <= s.at
      AND operation IN (1, 4) AND approved_minor > 0
    ORDER BY transmission_time DESC LIMIT $4
) t;

-- name: cash_of_the_day
-- Of subjects $1 (customers $2) cash from $5 to $6 on their accounts, or at the counter by persons $3 or $4.
SELECT DISTINCT s.id AS subject_id, t.id, t.created_at, t.kind, t.direction, t.usd_minor, t.account_number,
       t.details, a.customer_number, k.person_key, coalesce(k.has_conductor, false) AS has_conductor
FROM unnest($1::uuid[], $2::integer[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::timestamptz[])
    AS s(id, customer_number, person_key, own_key, since, until)
CROSS JOIN LATERAL (
    SELECT t.id FROM accounts o JOIN transfers t ON t.account_number = o.number
    WHERE o.customer_number = s.customer_number AND t.created_at >= s.since AND t.created_at < s.until
    UNION
    SELECT t.id FROM transfer_parties p JOIN transfers t ON t.id = p.transfer_id
    WHERE p.person_key IN (s.person_key, s.own_key) AND t.created_at >= s.since AND t.created_at < s.until
) found
JOIN transfers t ON t.id = found.id AND t.kind IN ('cash_deposit', 'cash_withdrawal')
                AND t.state NOT IN ('failed', 'rejected', 'blocked')
JOIN accounts a ON a.number = t.account_number
LEFT JOIN transfer_parties k ON k.transfer_id = t.id;

-- name: neighbours
-- Of subjects $1 (customers $2, times $3) internal transfers of 30 days by those who paid or were paid, the newest $4 each.
SELECT s.id AS subject_id, t.id, t.created_at, t.kind, t.usd_minor, t.account_number, t.payee_account, o.customer_number
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS s(id, customer_number, at)
CROSS JOIN LATERAL (
    SELECT DISTINCT CASE WHEN t.account_number = a.number THEN t.payee_account ELSE t.account_number END AS number
    FROM accounts a
    JOIN transfers t ON (t.account_number = a.number OR t.payee_account = a.number)
    WHERE a.customer_number = s.customer_number AND t.kind = 'internal'
      AND t.created_at > s.at - interval '30 days' AND t.created_at <= s.at
    LIMIT 100
) n
CROSS JOIN LATERAL (
    (SELECT id, created_at, kind, usd_minor, account_number, payee_account FROM transfers
     WHERE account_number = n.number AND kind = 'internal'
       AND created_at > s.at - interval '30 days' AND created_at <= s.at
       AND state NOT IN ('failed', 'rejected', 'blocked')
     ORDER BY created_at DESC LIMIT $4)
    UNION ALL
    (SELECT id, created_at, kind, usd_minor, account_number, payee_account FROM transfers
     WHERE payee_account = n.number AND kind = 'internal'
       AND created_at > s.at - interval '30 days' AND created_at <= s.at
       AND state NOT IN ('failed', 'rejected', 'blocked')
     ORDER BY created_at DESC LIMIT $4)
) t
JOIN accounts o ON o.number = t.account_number;

-- name: usual_transfers
-- Of subjects $1 (customers $2, times $3, own transfer $4) what transfers of the 365 days before came to.
SELECT s.id AS subject_id, count(*) AS count, coalesce(sum(t.usd_minor), 0)::bigint AS usd_minor,
       coalesce(max(t.usd_minor), 0) AS largest_usd_minor, min(t.created_at) AS first_at, max(t.created_at) AS last_at,
       array_agg(DISTINCT t.counterparty_country) AS countries,
       coalesce(sum(t.usd_minor) FILTER (WHERE t.created_at > s.at - interval '30 days'), 0)::bigint
           AS last_30_days_usd_minor
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::uuid[]) AS s(id, customer_number, at, own)
JOIN accounts a ON a.customer_number = s.customer_number
JOIN transfers t ON (t.account_number = a.number OR t.payee_account = a.number)
WHERE t.created_at > s.at - interval '365 days' AND t.created_at <= s.at AND t.id <> s.own
  AND t.state NOT IN ('failed', 'rejected', 'blocked')
GROUP BY s.id;

-- name: usual_authorizations
-- Of subjects $1 (customers $2, times $3, own authorization $4) what cards paid in the 365 days before, by currency.
SELECT s.id AS subject_id, t.billing_currency, count(*) AS count, sum(t.approved_minor)::bigint AS amount_minor,
       max(t.approved_minor) AS largest_minor, min(t.transmission_time) AS first_at,
       max(t.transmission_time) AS last_at, array_agg(DISTINCT t.merchant_country) AS countries,
       coalesce(sum(t.approved_minor) FILTER (WHERE t.transmission_time > s.at - interval '30 days'), 0)::bigint
           AS last_30_days_minor
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::uuid[]) AS s(id, customer_number, at, own)
JOIN accounts a ON a.customer_number = s.customer_number
JOIN cards c ON c.account_number = a.number
JOIN authorizations t ON t.card_number = c.number AND t.transmission_time > s.at - interval '365 days'
    AND t.transmission_time <= s.at
WHERE t.authorization_id <> s.own AND t.operation IN (1, 4) AND t.approved_minor > 0
GROUP BY s.id, t.billing_currency;

-- name: last_long_ago
-- Of subjects $1 (customers $2, times $3) the last movement of all that lie more than 365 days back.
SELECT s.id AS subject_id, max(t.at) AS last_at
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS s(id, customer_number, at)
JOIN accounts a ON a.customer_number = s.customer_number
CROSS JOIN LATERAL (
    (SELECT created_at AS at FROM transfers
     WHERE account_number = a.number AND created_at <= s.at - interval '365 days'
       AND state NOT IN ('failed', 'rejected', 'blocked')
     ORDER BY created_at DESC LIMIT 1)
    UNION ALL
    (SELECT created_at FROM transfers
     WHERE payee_account = a.number AND created_at <= s.at - interval '365 days'
       AND state NOT IN ('failed', 'rejected', 'blocked')
     ORDER BY created_at DESC LIMIT 1)
    UNION ALL
    (SELECT l.at FROM cards c
     CROSS JOIN LATERAL (
         SELECT transmission_time AS at FROM authorizations
         WHERE card_number = c.number AND transmission_time <= s.at - interval '365 days'
           AND operation IN (1, 4) AND approved_minor > 0
         ORDER BY transmission_time DESC LIMIT 1
     ) l
     WHERE c.account_number = a.number)
) t
GROUP BY s.id;

-- name: add_reviews
-- Reviews by $11 at $12, temporary where $13: id, flagged id, source, its id, tier, composite, origin, hits, matched, document.
INSERT INTO reviews (id, flagged_id, source, source_id, tier, composite, origin, hits, matched, document, reviewed_by,
                     reviewed_at, temporary)
SELECT *, $11, $12, $13
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::real[], $7::text[], $8::integer[],
            $9::boolean[], $10::bytea[]);

-- name: is_flagged
-- Whether $1 is a row of the queue.
SELECT EXISTS (SELECT FROM flagged WHERE id = $1);

-- name: block_customers
-- Customers $1 are blocked: their cards answer 59 as soon as the directory has followed.
UPDATE customers SET compliance_block = true WHERE number = ANY ($1::integer[]) AND NOT compliance_block
RETURNING number;

-- name: refresh_daily_summary
-- The summary made anew, without shutting out its readers.
REFRESH MATERIALIZED VIEW CONCURRENTLY daily_summary;

-- name: daily_summary
-- The summary from a day on, the newest day first.
SELECT * FROM daily_summary WHERE day >= $1 ORDER BY day DESC, source, kind, tier, origin, disposition;

-- name: commit_unhurried
-- This transaction's commit returns before it is on disk: after a crash it may be gone, as a whole.
SET LOCAL synchronous_commit = off;
