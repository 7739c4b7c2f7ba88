-- Decisions for people and for later rooms, shipped from the journal; a partition a month, by the sender's time.
--
-- Nothing is unique here on purpose: rows and the journal's position move in one transaction, which ships each row
-- once, and a unique index would only add a way in which one odd row stops all that follow.

CREATE TABLE authorizations (
    transmission_time   timestamptz NOT NULL,
    decision_time       timestamptz NOT NULL,
    sequence            bigint NOT NULL,
    authorization_id    uuid NOT NULL,
    original_id         uuid,
    amount_minor        bigint NOT NULL,
    billed_minor        bigint NOT NULL,
    approved_minor      bigint NOT NULL,
    available_minor     bigint NOT NULL,
    card_number         integer,
    account_number      integer,
    score               real,
    ledger_status       integer NOT NULL,
    programme           smallint NOT NULL,
    operation           smallint NOT NULL,
    transaction_type    smallint NOT NULL,
    currency            smallint NOT NULL,
    billing_currency    smallint NOT NULL,
    merchant_country    smallint NOT NULL,
    merchant_category   smallint NOT NULL,
    entry_mode          smallint NOT NULL,
    velocity_flags      smallint NOT NULL,
    record_version      smallint NOT NULL,
    held                boolean NOT NULL,
    stand_in            boolean NOT NULL,
    recovered           boolean NOT NULL,
    response_code       text NOT NULL,
    authorization_code  text NOT NULL,
    acquirer_id         text NOT NULL,
    merchant_id         text NOT NULL,
    merchant_name       text NOT NULL,
    merchant_city       text NOT NULL,
    model               text NOT NULL,
    intent              bytea NOT NULL,
    decision            bytea NOT NULL
) PARTITION BY RANGE (transmission_time);
COMMENT ON TABLE authorizations IS 'Every decision: of authorizations and of reversals.';
COMMENT ON COLUMN authorizations.transmission_time IS 'DE7, the sender''s.';
COMMENT ON COLUMN authorizations.sequence IS 'Numbers the requests that the core took.';
COMMENT ON COLUMN authorizations.original_id IS 'Of a reversal: what it reverses.';
COMMENT ON COLUMN authorizations.amount_minor IS 'DE4, minor units of currency.';
COMMENT ON COLUMN authorizations.billed_minor IS 'What the hold asked for, minor units of billing_currency.';
COMMENT ON COLUMN authorizations.approved_minor IS 'Held; of a reversal: released. Minor units of billing_currency.';
COMMENT ON COLUMN authorizations.available_minor IS 'Left on the account after this decision, minor units of billing_currency.';
COMMENT ON COLUMN authorizations.card_number IS 'cards.number; null = no such card.';
COMMENT ON COLUMN authorizations.account_number IS 'accounts.number; null = no such card.';
COMMENT ON COLUMN authorizations.score IS '0 to 1; null = unscored.';
COMMENT ON COLUMN authorizations.ledger_status IS 'The ledger''s status; 0 where it was not asked.';
COMMENT ON COLUMN authorizations.operation IS '1 authorize, 2 reverse.';
COMMENT ON COLUMN authorizations.transaction_type IS 'Number in the contract.';
COMMENT ON COLUMN authorizations.currency IS 'ISO 4217 number.';
COMMENT ON COLUMN authorizations.billing_currency IS 'ISO 4217 number.';
COMMENT ON COLUMN authorizations.merchant_country IS 'ISO 3166-1 number; 0 = absent.';
COMMENT ON COLUMN authorizations.merchant_category IS 'DE18, MCC.';
COMMENT ON COLUMN authorizations.entry_mode IS 'Number in the contract.';
COMMENT ON COLUMN authorizations.velocity_flags IS 'Limits passed, bit by bit.';
COMMENT ON COLUMN authorizations.record_version IS 'Format of intent and decision.';
COMMENT ON COLUMN authorizations.held IS 'Whether the ledger holds the amount.';
COMMENT ON COLUMN authorizations.stand_in IS 'Decided without the ledger.';
COMMENT ON COLUMN authorizations.recovered IS 'Decided by a restart.';
COMMENT ON COLUMN authorizations.response_code IS 'DE39.';
COMMENT ON COLUMN authorizations.merchant_name IS 'DE43, written by a stranger: data, never trusted.';
COMMENT ON COLUMN authorizations.intent IS 'The core''s record: a bitmap of its bytes that are not zero, then those.';
COMMENT ON COLUMN authorizations.decision IS 'Likewise.';

CREATE INDEX authorizations_by_id ON authorizations (authorization_id);
CREATE INDEX authorizations_by_card ON authorizations (card_number, transmission_time);
CREATE INDEX authorizations_by_original ON authorizations (original_id) WHERE original_id IS NOT NULL;

-- A net for times beyond any month that the shipper makes a partition for.
CREATE TABLE authorizations_default PARTITION OF authorizations DEFAULT;

CREATE TABLE journal_positions (
    journal   text PRIMARY KEY,
    position  bigint NOT NULL,
    moved_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE journal_positions IS 'How far each decision journal was shipped.';
COMMENT ON COLUMN journal_positions.position IS 'Number of its last batch whose decisions are in authorizations.';
