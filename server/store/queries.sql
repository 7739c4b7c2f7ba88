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
INSERT INTO programmes (number, name, currency, country, timezone,
                        limit_transaction_minor, limit_day_minor, limit_month_minor)
SELECT coalesce(max(number) + 1, 0), 'demo', 840, 840, 'America/New_York', 0, 0, 0 FROM programmes
ON CONFLICT (name) DO NOTHING;

-- name: count_demo_cards
-- How many cards programme $1 has whose PAN begins with $2.
SELECT count(*) FROM cards WHERE bin = $2 AND programme = (SELECT number FROM programmes WHERE name = $1);

-- name: known_pans
-- Which of these PAN hashes are cards already.
SELECT pan_hash FROM cards WHERE pan_hash = ANY ($1::bytea[]);

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
           OR coalesce((SELECT version FROM block_entries ORDER BY version DESC LIMIT 1) >= since, false) AS changed
FROM (SELECT ($1::bigint)::text::xid8 AS since) AS reader;

-- name: feed_programmes
-- Programmes written at or above version $1.
SELECT * FROM programmes WHERE version >= ($1::bigint)::text::xid8 ORDER BY number;

-- name: feed_blocks
-- Lines of block lists written at or above version $1, lifted ones too.
SELECT kind, value, active FROM block_entries WHERE version >= ($1::bigint)::text::xid8;

-- name: feed_controls
-- All control sets; $1 is the version 0.
SELECT * FROM card_controls WHERE $1::bigint >= 0;

-- name: feed_controls_changed
-- Control sets of the cards that feed_cards_changed gives for version $1.
SELECT * FROM card_controls WHERE card_number IN (SELECT changed_cards(($1::bigint)::text::xid8));

-- name: feed_accounts
-- All accounts; $1 is the version 0.
SELECT number, currency, opening_minor FROM accounts WHERE $1::bigint >= 0 ORDER BY number;

-- name: feed_accounts_changed
-- Accounts written at or above version $1.
SELECT number, currency, opening_minor FROM accounts WHERE version >= ($1::bigint)::text::xid8 ORDER BY number;

-- name: feed_cards
-- All cards as the server keeps them; $1 is the version 0.
SELECT * FROM directory_cards WHERE $1::bigint >= 0 ORDER BY number;

-- name: feed_cards_changed
-- Cards of which the card, its controls, account or customer was written at or above version $1.
SELECT * FROM directory_cards
WHERE number IN (SELECT changed_cards(($1::bigint)::text::xid8))
ORDER BY number;

-- name: create_staging
-- Where a connection copies rows before they move on; empty between transactions.
CREATE TEMPORARY TABLE IF NOT EXISTS authorizations_staging (LIKE authorizations) ON COMMIT DELETE ROWS;

-- name: move_staging
-- Everything staged becomes authorizations.
INSERT INTO authorizations SELECT * FROM authorizations_staging;

-- name: find_position
-- How far journal $1 was shipped; 0 at first.
INSERT INTO journal_positions (journal, position) VALUES ($1, 0)
ON CONFLICT (journal) DO UPDATE SET journal = excluded.journal
RETURNING position;

-- name: move_position
-- Journal $1 moves from batch $2 to batch $3; nothing where somebody else moved it meanwhile.
UPDATE journal_positions SET position = $3, moved_at = now() WHERE journal = $1 AND position = $2;

-- name: find_authorization
-- The records of authorization $1: the first decision under this id.
SELECT record_version, intent, decision FROM authorizations WHERE authorization_id = $1 ORDER BY sequence LIMIT 1;

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
INSERT INTO cards (number, account_number, programme, pan_hash, bin, last_four, expiry_yymm, state, single_use)
SELECT coalesce(max(number) + 1, 0), $1, $2, $3, $4, $5, $6, $7, $8 FROM cards
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
-- The card of that PAN's hash.
SELECT * FROM shown_cards WHERE pan_hash = $1;

-- name: change_card
-- Moves card $1 to state $2 where it is in one of the states $3.
UPDATE cards SET state = $2 WHERE number = $1 AND state = ANY ($3::text[]) RETURNING number;

-- name: find_pan_ends
-- BIN and sealed last four of card $1.
SELECT bin, last_four FROM cards WHERE number = $1;
