-- Money in and out, and between accounts: what was asked, who the other side is, and where it stands.
--
-- The row is there before the ledger is asked, so that whatever a crash leaves open can be carried to its end. The
-- states and their arrows are drawn in server/banking/states.py.

CREATE TABLE transfers (
    id                  uuid PRIMARY KEY,
    sender              bigint NOT NULL,
    idempotency_key     text NOT NULL,
    request_digest      bytea NOT NULL,
    state               text NOT NULL CHECK (state IN ('submitted', 'pending_review', 'deciding', 'posted', 'rejected',
                                                       'blocked', 'failed', 'reversing', 'reversed')),
    kind                text NOT NULL CHECK (kind IN ('internal', 'ach', 'wire', 'rtp', 'swift', 'cash_deposit',
                                                      'cash_withdrawal')),
    direction           text NOT NULL CHECK (direction IN ('in', 'out')),
    account_number      integer NOT NULL REFERENCES accounts,
    payee_account       integer REFERENCES accounts,
    amount_minor        bigint NOT NULL CHECK (amount_minor > 0),
    currency            smallint NOT NULL,
    payer_minor         bigint NOT NULL CHECK (payer_minor > 0),
    payer_currency      smallint NOT NULL,
    payee_minor         bigint NOT NULL CHECK (payee_minor > 0),
    payee_currency      smallint NOT NULL,
    fee_minor           bigint NOT NULL CHECK (fee_minor >= 0),
    usd_minor           bigint,
    rate_billionths     bigint NOT NULL DEFAULT 0,
    spread_bps          integer NOT NULL DEFAULT 0,
    rate_day            date,
    counterparty_country smallint NOT NULL,
    counterparty_bank   text NOT NULL,
    details             bytea NOT NULL,
    review_reasons      text[] NOT NULL DEFAULT '{}',
    reason              text NOT NULL DEFAULT '',
    decision            text CHECK (decision IN ('approve', 'reject', 'block')),
    decided_by          text NOT NULL DEFAULT '',
    decision_reason     text NOT NULL DEFAULT '',
    decided_at          timestamptz,
    reversal_id         uuid UNIQUE,
    reversal_reason     text NOT NULL DEFAULT '',
    created_at          timestamptz NOT NULL DEFAULT now(),
    changed_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (sender, idempotency_key)
);
COMMENT ON TABLE transfers IS 'Transfers by kind, with their counterparties. Records of 31 CFR 1010.410 and 1010.311.';
COMMENT ON COLUMN transfers.id IS 'Its low byte is zero: the ledger''s transfers have this id, with step and leg there.';
COMMENT ON COLUMN transfers.sender IS 'Digest of the identity that asked, as a signed 64-bit number.';
COMMENT ON COLUMN transfers.amount_minor IS 'As asked, minor units of currency (ISO 4217 number).';
COMMENT ON COLUMN transfers.payer_minor IS 'What leaves the payer, minor units of payer_currency.';
COMMENT ON COLUMN transfers.payee_minor IS 'What reaches the payee, minor units of payee_currency.';
COMMENT ON COLUMN transfers.fee_minor IS 'On top, from account_number, in its currency.';
COMMENT ON COLUMN transfers.usd_minor IS 'Worth in US cents at the day''s middle rate, for thresholds; null = no rate was known.';
COMMENT ON COLUMN transfers.rate_billionths IS 'Middle rate: billionths of a payee''s major unit for one of the payer''s; 0 = one currency.';
COMMENT ON COLUMN transfers.counterparty_country IS 'ISO 3166-1 number; 0 = not asked for (cash, internal).';
COMMENT ON COLUMN transfers.counterparty_bank IS 'ABA routing number or BIC; empty where there is none.';
COMMENT ON COLUMN transfers.details IS 'Sealed JSON: counterparty, holder''s address, conductor, purpose.';
COMMENT ON COLUMN transfers.review_reasons IS 'Why it waits for a decision; empty = it needs none.';
COMMENT ON COLUMN transfers.reason IS 'Why it failed, or why its last reversal was refused.';

CREATE INDEX transfers_by_account ON transfers (account_number, created_at, id);
CREATE INDEX transfers_by_payee ON transfers (payee_account, created_at, id) WHERE payee_account IS NOT NULL;
CREATE INDEX transfers_by_time ON transfers (created_at, id);
CREATE INDEX transfers_under_way ON transfers (changed_at) WHERE state IN ('submitted', 'deciding', 'reversing');

CREATE TABLE transfer_events (
    transfer_id uuid NOT NULL REFERENCES transfers,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    state       text NOT NULL,
    actor       text NOT NULL,
    reason      text NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (transfer_id, number)
);
COMMENT ON TABLE transfer_events IS 'Every state that a transfer was in, who brought it there and why; never changed.';

CREATE FUNCTION note_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transfer_events (transfer_id, state, actor, reason)
    VALUES (NEW.id, NEW.state,
            CASE WHEN NEW.state IN ('deciding', 'posted', 'rejected', 'blocked') THEN NEW.decided_by ELSE '' END,
            CASE NEW.state
                WHEN 'pending_review' THEN array_to_string(NEW.review_reasons, '; ')
                WHEN 'deciding' THEN NEW.decision || ': ' || NEW.decision_reason
                WHEN 'reversing' THEN NEW.reversal_reason
                ELSE NEW.reason
            END);
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_begin AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION note_transfer();
CREATE TRIGGER transfers_move AFTER UPDATE ON transfers FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION note_transfer();
