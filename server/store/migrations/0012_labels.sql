-- What became known of authorizations: confirmed fraud, disputes, false positives. Rows are only added; the last one
-- told of an authorization counts.

CREATE TABLE labels (
    number           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    authorization_id uuid NOT NULL,
    verdict          smallint NOT NULL CHECK (verdict IN (1, 2, 3)),
    report_id        text NOT NULL,
    learnt_at        timestamptz NOT NULL,
    received_at      timestamptz NOT NULL,
    source           text NOT NULL,
    reported_by      text NOT NULL,
    sender           bigint NOT NULL,
    stored_at        timestamptz NOT NULL DEFAULT now(),
    taken_at         timestamptz,
    UNIQUE (authorization_id, verdict, report_id)
);
COMMENT ON TABLE labels IS 'What became known of authorizations, who told it and when.';
COMMENT ON COLUMN labels.number IS 'In the order in which they were told; the core takes them in it.';
COMMENT ON COLUMN labels.verdict IS '1 fraud, 2 dispute, 3 false positive.';
COMMENT ON COLUMN labels.report_id IS 'The reporter''s own number of it; empty where there is none.';
COMMENT ON COLUMN labels.learnt_at IS 'When those who report it learnt it, as they say.';
COMMENT ON COLUMN labels.received_at IS 'When we were told: features know it from here on, in service and in training. In a replay its own time.';
COMMENT ON COLUMN labels.source IS 'Where it comes from, such as chargebacks.';
COMMENT ON COLUMN labels.reported_by IS 'Who told it, as they say; sender is the digest of the identity that sent it, as a signed 64-bit number.';
COMMENT ON COLUMN labels.taken_at IS 'When the core had it in its journal; null = it waits.';

CREATE INDEX labels_by_authorization ON labels (authorization_id, number);
CREATE INDEX labels_waiting ON labels (number) WHERE taken_at IS NULL;

CREATE VIEW standing_labels AS
SELECT DISTINCT ON (authorization_id) *
FROM labels
ORDER BY authorization_id, number DESC;
COMMENT ON VIEW standing_labels IS 'Of each authorization the label that counts: the last one told.';

COMMENT ON COLUMN authorizations.operation IS '1 authorize, 2 reverse, 3 increment, 4 advise, 5 clear, 6 expire. Labels are rows of their own table.';
