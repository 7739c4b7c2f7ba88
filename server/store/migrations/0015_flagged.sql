-- What compliance reviews: taken in exactly once from what the server has written, queued, reviewed, kept.
--
-- Authorizations have one writer, the shipper: each row carries the journal position that its transaction moved to, so
-- that a reader who sees a position sees every row up to it. Transfers have many writers: an event carries its
-- transaction, and a reader's position stays below the oldest one that was still running.

ALTER TABLE authorizations ADD COLUMN shipment bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN authorizations.shipment IS
    'journal_positions.position after the transaction that shipped it; 0 = of before compliance, never taken in.';
CREATE INDEX authorizations_by_shipment ON authorizations (shipment);

ALTER TABLE transfer_events ADD COLUMN version xid8 NOT NULL DEFAULT pg_current_xact_id();
COMMENT ON COLUMN transfer_events.version IS 'Transaction that wrote the row; intake reads by it.';
CREATE INDEX transfer_events_by_version ON transfer_events (version);

CREATE TABLE intake_positions (
    source   text PRIMARY KEY CHECK (source IN ('authorization', 'transfer')),
    position bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE intake_positions IS 'How far intake has read: flagged rows and their position move in one transaction.';
COMMENT ON COLUMN intake_positions.position IS
    'Of authorizations: authorizations.shipment, read up to here. Of transfers: transfer_events.version, read below here.';
INSERT INTO intake_positions (source) VALUES ('authorization'), ('transfer');

CREATE TABLE transfer_parties (
    transfer_id      uuid PRIMARY KEY REFERENCES transfers,
    counterparty_key bytea CHECK (octet_length(counterparty_key) = 16),
    person_key       bytea CHECK (octet_length(person_key) = 16),
    has_conductor    boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE transfer_parties IS
    'Who the other side of a transfer is, and who stood at the counter, as keyed hashes: one key for one party.';
COMMENT ON COLUMN transfer_parties.counterparty_key IS 'Of name, bank and account, normalised; null = there is none.';
COMMENT ON COLUMN transfer_parties.person_key IS
    'Of cash: of the name and birth date (or id) of who stood at the counter, the holder or another; else null.';
COMMENT ON COLUMN transfer_parties.has_conductor IS 'Whether that was not the holder.';
CREATE INDEX transfer_parties_by_counterparty ON transfer_parties (counterparty_key) WHERE counterparty_key IS NOT NULL;
CREATE INDEX transfer_parties_by_person ON transfer_parties (person_key) WHERE person_key IS NOT NULL;

CREATE TABLE flagged (
    id              uuid PRIMARY KEY,
    source          text NOT NULL CHECK (source IN ('authorization', 'transfer', 'customer')),
    source_id       uuid NOT NULL,
    customer_number integer,
    account_number  integer,
    kind            text NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('in', 'out')),
    amount_minor    bigint NOT NULL,
    currency        smallint NOT NULL,
    usd_minor       bigint,
    happened_at     timestamptz NOT NULL,
    flags           text[] NOT NULL,
    state           text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'claimed', 'done', 'parked')),
    urgency         smallint NOT NULL DEFAULT 1,
    tries           smallint NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    claimed_by      text NOT NULL DEFAULT '',
    lease_until     timestamptz,
    trouble         text NOT NULL DEFAULT '',
    flagged_at      timestamptz NOT NULL DEFAULT now(),
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'claimed') = (lease_until IS NOT NULL))
);
COMMENT ON TABLE flagged IS 'What is to be reviewed, and the queue of it. The states are drawn in compliance/review/queue.py.';
COMMENT ON COLUMN flagged.id IS 'UUID version 5 of source and source_id: the same transfer is the same row.';
COMMENT ON COLUMN flagged.source_id IS
    'authorizations.authorization_id, transfers.id, or of a customer on a list what names the match.';
COMMENT ON COLUMN flagged.kind IS 'card, or transfers.kind; of a customer: customer.';
COMMENT ON COLUMN flagged.amount_minor IS 'Minor units of currency (ISO 4217 number).';
COMMENT ON COLUMN flagged.usd_minor IS 'Worth in US cents; null = no rate was known.';
COMMENT ON COLUMN flagged.urgency IS '0 money waits for it, 1 the rest; the lowest is claimed first.';
COMMENT ON COLUMN flagged.tries IS 'Claims so far: one that kills its worker counts too.';
COMMENT ON COLUMN flagged.due_at IS 'Not claimed before.';
COMMENT ON COLUMN flagged.lease_until IS 'Whoever claimed it is taken for dead from here on.';
COMMENT ON COLUMN flagged.trouble IS 'Why the last try failed.';
CREATE INDEX flagged_waiting ON flagged (urgency, due_at) WHERE state = 'waiting';
CREATE INDEX flagged_claimed ON flagged (lease_until) WHERE state = 'claimed';
CREATE INDEX flagged_parked ON flagged (changed_at) WHERE state = 'parked';
CREATE INDEX flagged_by_source ON flagged (source_id);
CREATE INDEX flagged_by_customer ON flagged (customer_number, happened_at);

CREATE TABLE reviews (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    flagged_id  uuid NOT NULL,
    source      text NOT NULL,
    source_id   uuid NOT NULL,
    tier        text NOT NULL CHECK (tier IN ('low', 'medium', 'high')),
    composite   real NOT NULL,
    origin      text NOT NULL,
    hits        integer NOT NULL,
    matched     boolean NOT NULL,
    document    bytea NOT NULL,
    temporary   boolean NOT NULL DEFAULT false,
    reviewed_by text NOT NULL,
    reviewed_at timestamptz NOT NULL
);
COMMENT ON TABLE reviews IS 'Reviews as they were made; of one flagged row the newest counts. Rows are only added.';
COMMENT ON COLUMN reviews.flagged_id IS 'flagged.id; of a temporary one what that would be.';
COMMENT ON COLUMN reviews.tier IS 'After the analysis: never below the rules''.';
COMMENT ON COLUMN reviews.composite IS '0 to 100.';
COMMENT ON COLUMN reviews.origin IS 'Who wrote the analysis: rules, model, fallback.';
COMMENT ON COLUMN reviews.hits IS 'Names of lists that were met; matched: one of them strongly enough to block.';
COMMENT ON COLUMN reviews.document IS 'Sealed: the whole review as JSON (compliance.results.document), names in it.';
COMMENT ON COLUMN reviews.temporary IS 'Asked for of a transfer that nothing flagged: kept for a day.';
CREATE INDEX reviews_by_flagged ON reviews (flagged_id, reviewed_at DESC);
CREATE INDEX reviews_by_time ON reviews (reviewed_at);
