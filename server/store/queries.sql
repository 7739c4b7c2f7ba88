-- Named statements. Each is a line with its name, one sentence, and the statement.

-- name: has_migrations
-- Whether the table of applied migrations exists.
SELECT to_regclass('schema_migrations') IS NOT NULL;

-- name: create_migrations
-- The table of applied migrations.
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
-- What was applied, with the digest of its text.
SELECT number, sha256 FROM schema_migrations ORDER BY number;

-- name: record_migration
-- Marks a migration as applied: number, name, digest.
INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3);

-- name: claim_installation
-- The PAN key's fingerprint of this database; the first caller's ($1) becomes it.
INSERT INTO installation (pan_fingerprint) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET only_row = true
RETURNING pan_fingerprint;

-- name: renew_installation
-- The database's PAN key is $1 from now on.
UPDATE installation SET pan_fingerprint = $1;

-- name: count_pan_keys
-- How many cards stand under each PAN key.
SELECT pan_key, count(*) AS cards FROM cards GROUP BY pan_key;

-- name: count_pan_key
-- How many cards stand under PAN key $1.
SELECT count(*) FROM cards WHERE pan_key = $1;

-- name: note_pan_key_made
-- PAN key $1 was made by $2.
INSERT INTO pan_keys (fingerprint, made_by, made_at) VALUES ($1, $2, clock_timestamp());

-- name: note_pan_key_retired
-- PAN key $1 was retired by $2.
INSERT INTO pan_keys (fingerprint, retired_by, retired_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (fingerprint) DO UPDATE SET retired_by = excluded.retired_by, retired_at = excluded.retired_at;

-- name: renew_cards
-- Cards $1 stand under PAN key $3 with the hashes $2; where another card has such a hash, it is left as it is.
UPDATE cards SET pan_hash = renewed.pan_hash, pan_key = $3
FROM unnest($1::integer[], $2::bytea[]) AS renewed (number, pan_hash)
WHERE cards.number = renewed.number AND cards.pan_key <> $3
  AND NOT EXISTS (SELECT FROM cards AS other WHERE other.pan_hash = renewed.pan_hash AND other.number <> renewed.number);

-- name: lock_numbers
-- Until the transaction ends, nobody else takes numbers of customers, accounts, cards or programmes.
SELECT pg_advisory_xact_lock(7235);

-- name: next_numbers
-- The next free numbers of customers, accounts and cards; under the lock.
SELECT (SELECT coalesce(max(number) + 1, 0) FROM customers) AS customer,
       (SELECT coalesce(max(number) + 1, 0) FROM accounts) AS account,
       (SELECT coalesce(max(number) + 1, 0) FROM cards) AS card;

-- name: find_programme
-- Number and currency of a programme by its name.
SELECT number, currency FROM programmes WHERE name = $1;

-- name: create_demo_programme
-- The demo programme: no limits; USD, in New York.
INSERT INTO programmes (number, name, currency, country, timezone)
SELECT coalesce(max(number) + 1, 0), 'demo', 840, 840, 'America/New_York' FROM programmes
ON CONFLICT (name) DO NOTHING;

-- name: count_demo_cards
-- How many cards programme $1 has whose PAN begins with $2.
SELECT count(*) FROM cards WHERE bin = $2 AND programme = (SELECT number FROM programmes WHERE name = $1);

-- name: known_pans
-- Which of these PAN hashes are cards already.
SELECT pan_hash FROM cards WHERE pan_hash = ANY ($1::bytea[]);

-- name: started_at
-- When this PostgreSQL was started.
SELECT pg_postmaster_start_time();

-- name: feed_snapshot
-- What this snapshot can tell a reader at version $1: the next position, and whether rows wait for it.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
       (SELECT system_identifier FROM pg_control_system())
           || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
       coalesce((SELECT version FROM programmes ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM customers ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM accounts ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM cards ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM card_controls ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM block_entries ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM limits ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM limit_names ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM rules ORDER BY version DESC LIMIT 1) >= since, false)
           OR coalesce((SELECT version FROM rule_names ORDER BY version DESC LIMIT 1) >= since, false) AS changed
FROM (SELECT ($1::bigint)::text::xid8 AS since) AS reader;

-- name: feed_programmes
-- Programmes that were written at or above version $1, or of which a limit was.
SELECT * FROM programmes
WHERE version >= ($1::bigint)::text::xid8
   OR number IN (SELECT programme FROM limits WHERE version >= ($1::bigint)::text::xid8)
ORDER BY number;

-- name: feed_programme_limits
-- The limits of these programmes that decide, or decide on paper.
SELECT limits.*, limit_names.number AS name_number FROM limits JOIN limit_names USING (name)
WHERE programme = ANY ($1::smallint[]) AND state IN ('live', 'shadow')
ORDER BY limits.number;

-- name: feed_blocks
-- Lines of block lists written at or above version $1, lifted ones too.
SELECT kind, value, state FROM block_entries WHERE version >= ($1::bigint)::text::xid8;

-- name: feed_rules
-- Revisions of rules written at or above version $1, drafted and retired ones too.
SELECT rules.*, rule_names.number AS name_number FROM rules JOIN rule_names USING (name)
WHERE rules.version >= ($1::bigint)::text::xid8;

-- name: feed_limit_names
-- Names of limits written at or above version $1.
SELECT number, name FROM limit_names WHERE version >= ($1::bigint)::text::xid8;

-- name: feed_rule_names
-- Names of rules written at or above version $1.
SELECT number, name FROM rule_names WHERE version >= ($1::bigint)::text::xid8;

-- name: feed_limits
-- All limits of accounts and cards, by card, those of its account marked; $1 is the version 0.
SELECT found.*, limit_names.number AS name_number
FROM (SELECT cards.number AS card, true AS of_account, limits.*
      FROM limits JOIN cards ON cards.account_number = limits.account_number
      UNION ALL
      SELECT limits.card_number, false, limits.* FROM limits WHERE limits.card_number IS NOT NULL) AS found
JOIN limit_names USING (name)
WHERE state IN ('live', 'shadow') AND $1::bigint >= 0
ORDER BY card;

-- name: feed_limits_changed
-- Those of the cards that feed_cards_changed gives for version $1.
SELECT found.*, limit_names.number AS name_number
FROM (SELECT cards.number AS card, true AS of_account, limits.*
      FROM limits JOIN cards ON cards.account_number = limits.account_number
      UNION ALL
      SELECT limits.card_number, false, limits.* FROM limits WHERE limits.card_number IS NOT NULL) AS found
JOIN limit_names USING (name)
WHERE state IN ('live', 'shadow') AND card IN (SELECT changed_cards(($1::bigint)::text::xid8))
ORDER BY card;

-- name: feed_controls
-- All control sets; $1 is the version 0.
SELECT * FROM card_controls WHERE $1::bigint >= 0;

-- name: feed_controls_changed
-- Control sets of the cards that feed_cards_changed gives for version $1.
SELECT * FROM card_controls WHERE card_number IN (SELECT changed_cards(($1::bigint)::text::xid8));

-- name: feed_customers
-- What cards take from all customers; $1 is the version 0.
SELECT number, coalesce(home_latitude_deg, 'NaN')::real, coalesce(home_longitude_deg, 'NaN')::real,
       (2 * compliance_block::integer + 4 * (kyc_state <> 'verified')::integer + 8 * politically_exposed::integer)::smallint
FROM customers WHERE $1::bigint >= 0;

-- name: feed_accounts
-- All accounts, and what cards take from them; $1 is the version 0.
SELECT number, currency, opening_minor, customer_number, (array_position('{open,closed}', state) - 1)::smallint
FROM accounts WHERE $1::bigint >= 0;

-- name: feed_accounts_changed
-- Accounts written at or above version $1.
SELECT number, currency, opening_minor FROM accounts WHERE version >= ($1::bigint)::text::xid8 ORDER BY number;

-- name: feed_cards
-- All cards, without what they take from accounts and customers; $1 is the version 0.
SELECT number, account_number, pan_hash, id, programme, expiry_yymm,
       (array_position('{active,inactive,frozen,lost,stolen,closed}', state) - 1)::smallint,
       (single_use::integer + 16 * pin_blocked::integer)::smallint
FROM cards WHERE $1::bigint >= 0;

-- name: feed_cards_changed
-- Cards of which the card, its controls, limits, account or customer was written at or above version $1.
SELECT * FROM directory_cards
WHERE number IN (SELECT changed_cards(($1::bigint)::text::xid8))
ORDER BY number;

-- name: find_position
-- How far journal $1 was shipped; 0 at first.
INSERT INTO journal_positions (journal, position) VALUES ($1, 0)
ON CONFLICT (journal) DO UPDATE SET journal = excluded.journal
RETURNING position;

-- name: move_position
-- Journal $1 moves from batch $2 to batch $3; nothing where somebody else moved it meanwhile.
UPDATE journal_positions SET position = $3, moved_at = now() WHERE journal = $1 AND position = $2;

-- name: find_authorization
-- The records of authorization $1: the first decision under this id, or of the advice that told of it.
SELECT record_version, intent, decision FROM authorizations
WHERE authorization_id = $1 OR (original_id = $1 AND operation = 4)
ORDER BY sequence LIMIT 1;

-- name: find_labellable
-- The intents of the authorizations $1: as they were asked for, else of the advices that told of them.
SELECT id, record_version, intent FROM (
    SELECT authorization_id AS id, operation, sequence, record_version, intent
    FROM authorizations WHERE authorization_id = ANY ($1::uuid[]) AND operation = 1
    UNION ALL
    SELECT original_id, operation, sequence, record_version, intent
    FROM authorizations WHERE original_id = ANY ($1::uuid[]) AND operation = 4
) AS found
ORDER BY operation, sequence;

-- name: put_labels
-- Labels in their order, but for those that were told before; those that are new.
INSERT INTO labels (authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, sender)
SELECT authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, $8
FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[])
     WITH ORDINALITY AS told (authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, place)
ORDER BY place
ON CONFLICT (authorization_id, verdict, report_id) DO NOTHING
RETURNING authorization_id, verdict, report_id;

-- name: standing_verdicts
-- The verdicts that count of the authorizations $1.
SELECT authorization_id, verdict FROM standing_labels WHERE authorization_id = ANY ($1::uuid[]);

-- name: list_labels
-- What was told of authorization $1, in order.
SELECT * FROM labels WHERE authorization_id = $1 ORDER BY number;

-- name: labelled_authorizations
-- Authorizations of known cards sent from $1 to before $2, in order of time, with the label that counts of each.
SELECT authorizations.record_version, authorizations.intent,
       coalesce(directory_cards.home_latitude_deg, 'NaN') AS home_latitude_deg,
       coalesce(directory_cards.home_longitude_deg, 'NaN') AS home_longitude_deg,
       coalesce(programmes.country, 0) AS home_country,
       coalesce(standing_labels.verdict, 0) AS verdict,
       standing_labels.received_at
FROM authorizations
LEFT JOIN directory_cards ON directory_cards.number = authorizations.card_number
LEFT JOIN programmes ON programmes.number = authorizations.programme
LEFT JOIN standing_labels USING (authorization_id)
WHERE operation = 1 AND card_number IS NOT NULL
  AND ($1::timestamptz IS NULL OR transmission_time >= $1)
  AND ($2::timestamptz IS NULL OR transmission_time < $2)
ORDER BY transmission_time, sequence;

-- name: waiting_labels
-- Labels that the core has yet to take, in order, at most $1; with the verdict that each supersedes, 0 for none.
SELECT number, authorization_id, verdict, received_at,
       coalesce((SELECT earlier.verdict FROM labels AS earlier
                 WHERE earlier.authorization_id = labels.authorization_id AND earlier.number < labels.number
                 ORDER BY earlier.number DESC LIMIT 1), 0) AS superseded
FROM labels WHERE taken_at IS NULL
ORDER BY number LIMIT $1;

-- name: take_labels
-- The core has the labels $1.
UPDATE labels SET taken_at = now() WHERE number = ANY ($1::bigint[]) AND taken_at IS NULL;

-- name: find_reversals
-- The records of the reversals of authorization $1, in order.
SELECT record_version, intent, decision FROM authorizations WHERE original_id = $1 ORDER BY sequence;

-- name: add_customer
-- A new customer under the next free number, which it returns; under the lock.
INSERT INTO customers (number, given_name, family_name, birth_date, ssn_hash, ssn_last_four, kyc_state, risk_rating,
                       politically_exposed, home_latitude_deg, home_longitude_deg)
SELECT coalesce(max(number) + 1, 0), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM customers
RETURNING number;

-- name: has_customer
-- Whether there is a customer $1.
SELECT EXISTS (SELECT FROM customers WHERE number = $1);

-- name: show_customer
-- Customer $1 with the numbers of its accounts.
SELECT customers.*,
       ARRAY(SELECT accounts.number FROM accounts WHERE accounts.customer_number = customers.number ORDER BY 1)
           AS accounts
FROM customers WHERE number = $1;

-- name: find_customer
-- The number of the customer whose SSN has this hash.
SELECT number FROM customers WHERE ssn_hash = $1;

-- name: change_customer
-- Sets what is not null of customer $1: KYC state, risk rating, political exposure, compliance block.
UPDATE customers
SET kyc_state = coalesce($2, kyc_state),
    risk_rating = coalesce($3, risk_rating),
    politically_exposed = coalesce($4, politically_exposed),
    compliance_block = coalesce($5, compliance_block)
WHERE number = $1;

-- name: add_account
-- A new account: number, customer, its sealed number and last four, currency, opening deposit.
INSERT INTO accounts (number, customer_number, account_number, account_last_four, currency, opening_minor)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: show_account
-- Account $1 with its holder's name and the numbers of its cards.
SELECT accounts.*, customers.given_name, customers.family_name,
       ARRAY(SELECT cards.number FROM cards WHERE cards.account_number = accounts.number ORDER BY 1) AS cards
FROM accounts JOIN customers ON customers.number = accounts.customer_number
WHERE accounts.number = $1;

-- name: add_card
-- A new card under the next free number, which it returns; under the lock.
INSERT INTO cards (number, account_number, programme, pan_hash, pan_key, bin, last_four, expiry_yymm, state, single_use)
SELECT coalesce(max(number) + 1, 0), $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM cards
RETURNING number;

-- name: list_cards
-- Cards after number $1, at most $2, of state $3 or of any.
SELECT * FROM shown_cards WHERE number > $1 AND ($3::text IS NULL OR state = $3) ORDER BY number LIMIT $2;

-- name: show_card_by_number
-- The card of that number.
SELECT * FROM shown_cards WHERE number = $1;

-- name: show_card_by_id
-- The card of that token.
SELECT * FROM shown_cards WHERE id = $1;

-- name: show_card_by_pan
-- The card of that PAN, by its hashes.
SELECT * FROM shown_cards WHERE pan_hash = ANY ($1::bytea[]);

-- name: change_card
-- Moves card $1 to state $2 where it is in one of the states $3.
UPDATE cards SET state = $2 WHERE number = $1 AND state = ANY ($3::text[]) RETURNING number;

-- name: find_pan_ends
-- BIN and sealed last four of card $1.
SELECT bin, last_four FROM cards WHERE number = $1;

-- name: open_account
-- A new account without a deposit: number, customer, its sealed number and last four, currency, and the request.
INSERT INTO accounts (number, customer_number, account_number, account_last_four, currency, opened_by,
                      idempotency_key, request_digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: find_opened
-- The account that request $2 of sender $1 opened, and what it said.
SELECT number, request_digest FROM accounts WHERE opened_by = $1 AND idempotency_key = $2;

-- name: next_account
-- The next free number of an account; under the lock.
SELECT coalesce(max(number) + 1, 0) FROM accounts;

-- name: account_facts
-- What the services know of account $1 beside its balances.
SELECT number, customer_number, currency, state, credit_limit_minor, account_last_four, created_at, closing_id,
       closing_at, closed_at
FROM accounts WHERE number = $1;

-- name: accounts_of_customer
-- The accounts of customer $1 after number $2, at most $3.
SELECT number, customer_number, currency, state, credit_limit_minor, account_last_four, created_at, closing_id,
       closing_at, closed_at
FROM accounts WHERE customer_number = $1 AND number > $2 ORDER BY number LIMIT $3;

-- name: begin_closing
-- Account $1 closes: its cards answer 46. $2 is its closing transfer's id, where none was given before.
UPDATE accounts SET state = 'closed', closing_id = coalesce(closing_id, $2), closing_at = coalesce(closing_at, now())
WHERE number = $1;

-- name: accounts_that_close
-- Accounts that wait for the ledger to close them, the longest waiting first, with their last approved authorization.
SELECT number, currency, closing_id, closing_at,
       (SELECT max(authorizations.transmission_time)
        FROM cards JOIN authorizations ON authorizations.card_number = cards.number
        WHERE cards.account_number = accounts.number AND authorizations.response_code IN ('00', '10')
          AND authorizations.transmission_time > now() - interval '100 days') AS last_approval
FROM accounts
WHERE closing_id IS NOT NULL AND closed_at IS NULL AND number > $1
ORDER BY number LIMIT $2;

-- name: end_closing
-- The ledger has closed account $1.
UPDATE accounts SET closed_at = now() WHERE number = $1 AND closed_at IS NULL;

-- name: set_credit_limit
-- The credit limit of account $1 is $2.
UPDATE accounts SET credit_limit_minor = $2 WHERE number = $1 AND credit_limit_minor <> $2;

-- name: add_transfer
-- A transfer that was asked for; nothing where its sender's key is known.
INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number,
                       payee_account, amount_minor, currency, payer_minor, payer_currency, payee_minor,
                       payee_currency, fee_minor, usd_minor, rate_billionths, spread_bps, rate_day,
                       counterparty_country, counterparty_bank, details, review_reasons)
VALUES ($1, $2, $3, $4, 'submitted', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
        $22, $23)
ON CONFLICT (sender, idempotency_key) DO NOTHING
RETURNING *;

-- name: find_transfer_by_key
-- The transfer of sender $1 with idempotency key $2.
SELECT * FROM transfers WHERE sender = $1 AND idempotency_key = $2;

-- name: find_transfer
-- Transfer $1.
SELECT * FROM transfers WHERE id = $1;

-- name: transfer_events
-- What became of transfer $1, in order.
SELECT state, actor, reason, happened_at FROM transfer_events WHERE transfer_id = $1 ORDER BY number;

-- name: list_transfers
-- At most $10 transfers of account $1, kind $2, state $3, time $4 to $5, amount $6 to $7, older than position ($8, $9).
SELECT * FROM transfers
WHERE ($1::integer IS NULL OR account_number = $1 OR payee_account = $1)
  AND ($2::text IS NULL OR kind = $2)
  AND ($3::text IS NULL OR state = $3)
  AND ($4::timestamptz IS NULL OR created_at >= $4)
  AND ($5::timestamptz IS NULL OR created_at < $5)
  AND ($6::bigint IS NULL OR amount_minor >= $6)
  AND ($7::bigint IS NULL OR amount_minor <= $7)
  AND ($8::timestamptz IS NULL OR (created_at, id) < ($8, $9::uuid))
ORDER BY created_at DESC, id DESC
LIMIT $10;

-- name: move_transfer
-- Transfer $1 goes from state $2 to state $3, for reason $4; nothing where it is in another state by now.
UPDATE transfers SET state = $3, reason = $4, changed_at = now() WHERE id = $1 AND state = $2 RETURNING *;

-- name: decide_transfer
-- Decision $2 on transfer $1, by $3, because of $4; nothing where it does not wait for one any more, or compliance has
-- yet to decide whether its money is to be blocked.
UPDATE transfers
SET state = 'deciding', decision = $2, decided_by = $3, decision_reason = $4, decided_at = now(), changed_at = now()
WHERE id = $1 AND state = 'pending_review'
  AND ($2 <> 'approve' OR NOT EXISTS (
      SELECT FROM cases
      WHERE source = 'transfer' AND source_id = $1 AND state IN ('open', 'assigned', 'in_review', 'escalated')
        AND duties @> '[{"kind": "block"}]'))
RETURNING *;

-- name: begin_reversal
-- Transfer $1 is to be reversed by the transfers of id $2, because of $3; nothing where it is not posted.
UPDATE transfers SET state = 'reversing', reversal_id = $2, reversal_reason = $3, changed_at = now()
WHERE id = $1 AND state = 'posted'
RETURNING *;

-- name: transfers_under_way
-- Transfers that the ledger has yet to answer, changed before $1, the longest waiting first, at most $2.
SELECT * FROM transfers
WHERE state IN ('submitted', 'deciding', 'reversing') AND changed_at <= $1
ORDER BY changed_at LIMIT $2;

-- name: next_rate_import
-- The number of an import of rates.
SELECT nextval('rate_imports');

-- name: put_rate
-- A rate by its day, base and quote; in place of what was there.
INSERT INTO rates (day, base, quote, rate, spread_bps, imported) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (base, quote, day)
DO UPDATE SET rate = excluded.rate, spread_bps = excluded.spread_bps, imported = excluded.imported;

-- name: last_rate_import
-- The newest import that has written a rate; 0 for none.
SELECT coalesce(max(imported), 0) FROM rates;

-- name: newest_rates
-- Of each pair the newest rate that is not of a day after $1.
SELECT DISTINCT ON (base, quote) day, base, quote, rate, spread_bps
FROM rates WHERE day <= $1
ORDER BY base, quote, day DESC;

-- name: read_standings
-- What should be held and settled in the ledger for each authorization that was shipped.
SELECT authorization_id, pending_minor, settled_minor, holds FROM authorization_standings;

-- name: find_standings
-- The same of the authorizations $1.
SELECT authorization_id, pending_minor, settled_minor, holds FROM authorization_standings
WHERE authorization_id = ANY ($1::uuid[]);

-- name: lock_settings
-- Until the transaction ends, nobody else sets limits, rules or block lists.
SELECT pg_advisory_xact_lock(7237);

-- name: name_changer
-- The changes of this transaction are made by $1.
SELECT set_config('holdfast.changed_by', $1, true);

-- name: lifecycle_history
-- The last $3 moves of what has these numbers, oldest first.
SELECT * FROM (SELECT number, before, after, changed_by, changed_at FROM lifecycle_changes
               WHERE kind = $1 AND number = ANY ($2::integer[]) ORDER BY changed_at DESC LIMIT $3) AS newest
ORDER BY changed_at;

-- name: programme_names
-- What programmes are called.
SELECT name FROM programmes ORDER BY number LIMIT 50;

-- name: has_account
-- Whether there is account $1.
SELECT EXISTS (SELECT FROM accounts WHERE number = $1);

-- name: has_card
-- Whether there is card $1.
SELECT EXISTS (SELECT FROM cards WHERE number = $1);

-- name: find_limit_currency
-- The currency of programme $1, of account $2, or of card $3.
SELECT coalesce((SELECT currency FROM programmes WHERE number = $1),
                (SELECT currency FROM accounts WHERE number = $2),
                (SELECT currency FROM accounts
                 WHERE number = (SELECT account_number FROM cards WHERE number = $3)));

-- name: retire_limit_in_place
-- Retires the limit of programme $1, account $2 or card $3 that measures the same and stands in state $8.
UPDATE limits SET state = 'retired'
WHERE (programme = $1 OR account_number = $2 OR card_number = $3)
  AND (subject, measure, outcome, period, state) = ($4, $5, $6, $7, $8);

-- name: retire_limit_beside
-- Retires the limit that stands in state $2 where limit $1 wants to.
UPDATE limits SET state = 'retired' FROM limits AS wanted
WHERE wanted.number = $1 AND limits.number <> $1 AND limits.state = $2
  AND (limits.programme = wanted.programme OR limits.account_number = wanted.account_number
       OR limits.card_number = wanted.card_number)
  AND (limits.subject, limits.measure, limits.outcome, limits.period)
      = (wanted.subject, wanted.measure, wanted.outcome, wanted.period);

-- name: add_limit
-- A limit called $1 of programme $2, account $3 or card $4: subject, measure, outcome, period, ceiling, state.
INSERT INTO limits (name, programme, account_number, card_number, subject, measure, outcome, period, ceiling, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING number;

-- name: move_limit
-- Moves limit $1 to state $2.
UPDATE limits SET state = $2 WHERE number = $1 AND state <> $2;

-- name: show_limits
-- Limit $1; or those of programme $2, of account $3, of card $4 and what it has from account and programme; or of all
-- programmes; retired ones where $5; $6 at the most.
SELECT limits.number, limits.name, programmes.name AS programme, limits.account_number, limits.card_number,
       limits.subject, limits.measure, limits.outcome AS of, limits.period AS window, limits.ceiling,
       CASE WHEN limits.measure = 'amount' THEN coalesce(programmes.currency, accounts.currency, owners.currency) END
           AS currency,
       limits.state, limits.changed_by, limits.changed_at
FROM limits
LEFT JOIN programmes ON programmes.number = limits.programme
LEFT JOIN accounts ON accounts.number = limits.account_number
LEFT JOIN cards ON cards.number = limits.card_number
LEFT JOIN accounts AS owners ON owners.number = cards.account_number
WHERE (limits.number = $1::integer OR $1 IS NULL)
  AND CASE WHEN $1::integer IS NOT NULL THEN true
           WHEN $2::smallint IS NOT NULL THEN limits.programme = $2
           WHEN $3::integer IS NOT NULL THEN limits.account_number = $3
           WHEN $4::integer IS NOT NULL THEN
               limits.card_number = $4
               OR limits.account_number = (SELECT account_number FROM cards WHERE number = $4)
               OR limits.programme = (SELECT programme FROM cards WHERE number = $4)
           ELSE limits.programme IS NOT NULL END
  AND ($5::boolean OR limits.state <> 'retired')
ORDER BY limits.programme NULLS LAST, limits.account_number NULLS LAST, limits.card_number, limits.number
LIMIT $6;

-- name: add_rule
-- The next revision of rule $1, of programme $2 or of all: conditions, action.
INSERT INTO rules (name, revision, programme, conditions, action)
SELECT $1, coalesce(max(revision), 0) + 1, $2, $3::jsonb, $4 FROM rules WHERE name = $1
RETURNING number;

-- name: move_rule
-- Moves the revision of number $1 to state $2.
UPDATE rules SET state = $2 WHERE number = $1 AND state <> $2;

-- name: count_rule_hits
-- What hit the rule or block list called $1 in the last $2 days: live, on paper, and approved although it would have been hit.
SELECT count(*) FILTER (WHERE number = ANY (rules_hit)) AS live,
       count(*) FILTER (WHERE number = ANY (rules_shadowed)) AS on_paper,
       count(*) FILTER (WHERE number = ANY (rules_shadowed) AND approved_minor > 0) AS approved_on_paper,
       coalesce(sum(approved_minor) FILTER (WHERE number = ANY (rules_shadowed)), 0)::bigint AS approved_on_paper_minor
FROM rule_names LEFT JOIN authorizations
    ON transmission_time >= now() - make_interval(days => $2) AND operation = 1
WHERE name = $1
GROUP BY rule_names.number;

-- name: count_rules
-- How many rules every authorization is looked at by.
SELECT count(*) FROM rules WHERE state IN ('shadow', 'live');

-- name: show_rules
-- The revision of number $1, the revisions of rule $2, or all; retired ones where $3; $4 at the most.
SELECT rules.number, rules.name, rules.revision, programmes.name AS programme, rules.conditions, rules.action,
       rules.state, rules.changed_by, rules.changed_at
FROM rules LEFT JOIN programmes ON programmes.number = rules.programme
WHERE ($1::integer IS NULL OR rules.number = $1) AND ($2::text IS NULL OR rules.name = $2)
  AND ($3::boolean OR rules.state <> 'retired')
ORDER BY rules.name, rules.revision DESC
LIMIT $4;

-- name: find_block
-- The number of the line of list $1 that names $2.
SELECT number FROM block_entries WHERE kind = $1 AND value = $2;

-- name: add_block
-- A line of list $1 that names $2, with its label and its state.
INSERT INTO block_entries (kind, value, label, state) VALUES ($1, $2, $3, $4) RETURNING number;

-- name: move_block
-- Moves line $1 to state $2, with label $3 where one is given.
UPDATE block_entries SET state = $2, label = coalesce($3, label) WHERE number = $1;

-- name: show_blocks
-- Line $1, or the lines of list $2, or all; lifted ones where $3; $4 at the most, newest first.
SELECT number, kind, label, state, changed_by, changed_at FROM block_entries
WHERE ($1::integer IS NULL OR number = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::boolean OR state <> 'lifted')
ORDER BY changed_at DESC LIMIT $4;

-- name: decided_authorizations
-- All decisions on messages sent from $1 on, in the order of the core.
SELECT record_version, intent, decision, coalesce(standing_labels.verdict, 0) AS verdict
FROM authorizations LEFT JOIN standing_labels USING (authorization_id)
WHERE $1::timestamptz IS NULL OR transmission_time >= $1
ORDER BY sequence;

-- name: programmes_in_force
-- What a backtest needs to know of every programme.
SELECT number, name, currency, timezone, step_up_else_decline, unscored_decline FROM programmes;

-- name: limits_in_force
-- All limits that decide, or decide on paper.
SELECT limits.number, limits.name, programmes.name AS programme, account_number, card_number,
       subject, measure, outcome AS of, period AS window, ceiling, state
FROM limits LEFT JOIN programmes ON programmes.number = limits.programme
WHERE state IN ('live', 'shadow')
ORDER BY limits.number;

-- name: lock_models
-- Until the transaction ends, nobody else moves a model; everybody may read.
LOCK TABLE models IN EXCLUSIVE MODE;

-- name: list_models
-- Every version, the newest name first.
SELECT * FROM models ORDER BY version DESC;

-- name: find_model
-- Version $1.
SELECT * FROM models WHERE version = $1;

-- name: add_model
-- Version $1 with digest $2, manifest $3 and floor $4 as a candidate, by $5; nothing where it is known.
INSERT INTO models (version, sha256, manifest, floor_recall, changed_by) VALUES ($1, $2, $3::json, $4, $5)
ON CONFLICT (version) DO NOTHING;

-- name: move_model
-- Version $1 goes to state $2 with share $3, having replaced $4, by $5; what was proposed of it is done with.
UPDATE models
SET state = $2, share = $3, replaced = $4, changed_by = $5, changed_at = now(),
    champion_since = CASE WHEN $2 = 'champion' THEN now() ELSE champion_since END,
    proposed = NULL, proposed_share = NULL, proposed_by = NULL, proposed_at = NULL
WHERE version = $1;

-- name: leave_succession
-- What version $1 had replaced was replaced by whatever replaced $1, by $2.
UPDATE models SET replaced = (SELECT replaced FROM models WHERE version = $1), changed_by = $2, changed_at = now()
WHERE replaced = $1;

-- name: propose_model
-- Action $2 with share $3 is proposed for version $1 by $4.
UPDATE models
SET proposed = $2, proposed_share = $3, proposed_by = $4, proposed_at = now(), changed_by = $4, changed_at = now()
WHERE version = $1;

-- name: forget_proposal
-- Nothing is proposed of version $1 any more, by $2.
UPDATE models
SET proposed = NULL, proposed_share = NULL, proposed_by = NULL, proposed_at = NULL, changed_by = $2, changed_at = now()
WHERE version = $1;

-- name: forget_promotions
-- Promotions that are proposed were of other days: the champion has changed, by $1.
UPDATE models
SET proposed = NULL, proposed_share = NULL, proposed_by = NULL, proposed_at = NULL, changed_by = $1, changed_at = now()
WHERE proposed = 'promote';

-- name: set_model_floor
-- The floor of version $1: recall $2 at false-positive rate $3, on labels of $4 days, of at least $5 frauds; by $6.
UPDATE models
SET floor_recall = $2, floor_fpr = $3, floor_days = $4, floor_frauds = $5, changed_by = $6, changed_at = now()
WHERE version = $1;

-- name: set_approval_rate
-- The share $2 of its first authorizations that version $1 saw approved, by $3; once.
UPDATE models SET approval_rate = $2, changed_by = $3, changed_at = now() WHERE version = $1 AND approval_rate IS NULL;

-- name: note_model_change
-- Action $2 moved version $1 from state $3 to state $4 with share $5, done by $6 as $7 had proposed, because of $8.
INSERT INTO model_changes (version, action, from_state, to_state, share, who, proposed_by, why)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: model_changes
-- What was done to version $1, or to any, the newest first, at most $2.
SELECT version, action, from_state, to_state, share, who, proposed_by, why, happened_at
FROM model_changes WHERE $1::text IS NULL OR version = $1
ORDER BY number DESC LIMIT $2;

-- name: forget_shadow_scores
-- Shadows' scores of more than $1 days ago are of no use any more.
DELETE FROM shadow_scores WHERE scored_at < now() - make_interval(days => $1);

-- name: compared_scores
-- Of version $1 and the authorizations of the last $2 days: both scores (NaN = unscored), whether it was fraud, who decided; the newest $3.
SELECT s.score, coalesce(s.decided_score, 'NaN'), coalesce(l.verdict IN (1, 2), false), rpad(s.decided_by, 24)
FROM shadow_scores s LEFT JOIN standing_labels l USING (authorization_id)
WHERE s.version = $1 AND s.scored_at >= now() - make_interval(days => $2)
ORDER BY s.scored_at DESC LIMIT $3;

-- name: found_frauds
-- Scores that version $1 gave as champion, since $2, to what labels received in the last $3 days call fraud.
SELECT a.score
FROM standing_labels l JOIN authorizations a USING (authorization_id)
WHERE l.verdict IN (1, 2) AND l.stored_at >= now() - make_interval(days => $3)
  AND a.model = $1 AND a.operation = 1 AND a.score IS NOT NULL AND a.decision_time >= $2;

-- name: sampled_genuine
-- Scores that version $1 gave as champion, since $2, in the last $3 days, to what nobody called fraud; $4 percent of the pages.
SELECT a.score
FROM authorizations a TABLESAMPLE SYSTEM ($4)
WHERE a.model = $1 AND a.operation = 1 AND a.score IS NOT NULL
  AND a.decision_time >= $2 AND a.decision_time >= now() - make_interval(days => $3)
  AND NOT EXISTS (SELECT FROM labels l WHERE l.authorization_id = a.authorization_id AND l.verdict IN (1, 2));

-- name: count_authorizations
-- About how many rows authorizations has.
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'authorizations'::regclass;

-- name: write_past_transfers
-- Transfers for a measurement: ids, keys, kinds, directions, accounts, payees, US cents, countries, banks, details, states, times.
INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number,
                       payee_account, amount_minor, currency, payer_minor, payer_currency, payee_minor,
                       payee_currency, fee_minor, usd_minor, counterparty_country, counterparty_bank, details,
                       created_at)
SELECT id, 0, key, '', 'submitted', kind, direction, account, payee, amount, 840, amount, 840, amount, 840, 0, amount,
       country, bank, details, created_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::bigint[],
            $8::smallint[], $9::text[], $10::bytea[], $11::text[], $12::timestamptz[])
    AS t(id, key, kind, direction, account, payee, amount, country, bank, details, state, created_at)
ON CONFLICT DO NOTHING;

-- name: settle_past_transfers
-- And how they stand: transfers $1 in states $2.
UPDATE transfers SET state = wanted.state
FROM unnest($1::uuid[], $2::text[]) AS wanted(id, state) WHERE transfers.id = wanted.id AND transfers.state = 'submitted';

-- name: show_programmes
-- Programme $1, or all of them: what they answer without the ledger.
SELECT number, name, revision, currency, posture, stand_in_amount_max_minor AS amount_max_minor,
       stand_in_count_max AS count_max, stand_in_sum_max_minor AS sum_max_minor, stand_in_categories AS categories,
       changed_by, changed_at
FROM programmes WHERE name = $1 OR $1::text IS NULL
ORDER BY number
LIMIT $2;

-- name: set_posture
-- Programme $1 answers by posture $2 without the ledger.
UPDATE programmes SET posture = $2 WHERE name = $1;

-- name: set_stand_in
-- Programme $1 stands in within an amount, a count, a sum and categories.
UPDATE programmes
SET posture = 'stand_in', stand_in_amount_max_minor = $2, stand_in_count_max = $3, stand_in_sum_max_minor = $4,
    stand_in_categories = $5
WHERE name = $1;

-- name: posture_history
-- The last $2 postures of programme $1, oldest first.
SELECT * FROM (SELECT revision, posture, amount_max_minor, count_max, sum_max_minor, categories, changed_by, changed_at
               FROM programme_postures WHERE programme = (SELECT number FROM programmes WHERE name = $1)
               ORDER BY changed_at DESC LIMIT $2) AS newest
ORDER BY changed_at;

-- name: stood_in_by_state
-- What programme $1, or any, approved without the ledger in the last $2 days, by programme and by what became of it.
SELECT programmes.name AS programme, stood_in.billing_currency AS currency, state, count(*) AS approvals,
       sum(approved_minor)::bigint AS approved_minor, sum(booked_minor)::bigint AS booked_minor,
       sum(overdrawn_minor)::bigint AS overdrawn_minor
FROM stood_in JOIN programmes ON programmes.number = stood_in.programme
WHERE (programmes.name = $1 OR $1::text IS NULL) AND approved_at >= now() - make_interval(days => $2)
GROUP BY programmes.name, stood_in.billing_currency, state
ORDER BY programmes.name, stood_in.billing_currency, state;

-- name: stood_in_newest
-- The newest $4 of them; of state $3, or any.
SELECT stood_in.authorization_id, stood_in.approved_at, programmes.name AS programme, stood_in.card_number,
       stood_in.merchant_name, stood_in.merchant_category, stood_in.billing_currency AS currency,
       stood_in.approved_minor, stood_in.state, stood_in.booked_at, stood_in.booked_minor, stood_in.overdrawn_minor
FROM stood_in JOIN programmes ON programmes.number = stood_in.programme
WHERE (programmes.name = $1 OR $1::text IS NULL) AND approved_at >= now() - make_interval(days => $2)
  AND (state = $3 OR $3::text IS NULL)
ORDER BY approved_at DESC
LIMIT $4;

-- name: fill_customers
-- Nobody's customers with the numbers $1 to $2, as many as a measurement needs.
INSERT INTO customers (number, given_name, family_name, kyc_state, home_latitude_deg, home_longitude_deg)
SELECT i, '\x01', '\x01', 'verified', 40 + i % 10, -74 - i % 20 FROM generate_series($1::integer, $2::integer) AS i;

-- name: fill_accounts
-- An account of each.
INSERT INTO accounts (number, customer_number, account_number, account_last_four, currency)
SELECT i, i, '\x01', '\x01', 840 FROM generate_series($1::integer, $2::integer) AS i;

-- name: fill_cards
-- A card on each of those.
INSERT INTO cards (number, account_number, programme, pan_hash, pan_key, bin, last_four, expiry_yymm)
SELECT i, i, 0, decode(md5(i::text), 'hex'), '', '999999', '\x01', 3012 FROM generate_series($1::integer, $2::integer) AS i;
