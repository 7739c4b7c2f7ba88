-- What a programme's cards answer while the ledger is away, and what stand-in approved then.

ALTER TABLE programmes
    ADD COLUMN posture                   text NOT NULL DEFAULT 'decline'
        CHECK (posture IN ('decline', 'network', 'stand_in')),
    ADD COLUMN stand_in_amount_max_minor bigint NOT NULL DEFAULT 0 CHECK (stand_in_amount_max_minor >= 0),
    ADD COLUMN stand_in_count_max        integer NOT NULL DEFAULT 0 CHECK (stand_in_count_max >= 0),
    ADD COLUMN stand_in_sum_max_minor    bigint NOT NULL DEFAULT 0 CHECK (stand_in_sum_max_minor >= 0),
    ADD COLUMN stand_in_categories       smallint[] NOT NULL DEFAULT '{}'
        CHECK (0 <= ALL (stand_in_categories) AND 9999 >= ALL (stand_in_categories)),
    ADD COLUMN changed_by                text NOT NULL DEFAULT '',
    ADD COLUMN changed_at                timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT who_stands_in_has_limits CHECK (
        posture <> 'stand_in'
        OR (stand_in_amount_max_minor > 0 AND stand_in_count_max > 0
            AND stand_in_sum_max_minor >= stand_in_amount_max_minor));
COMMENT ON COLUMN programmes.posture IS 'What is answered while the ledger is away. decline: 91; network: N0, the network is asked to stand in; stand_in: 00 within the limits that follow, booked on the ledger''s return, and 91 beyond them.';
COMMENT ON COLUMN programmes.stand_in_amount_max_minor IS 'Of one transaction, minor units of the currency. Read where the posture is stand_in, as the next three.';
COMMENT ON COLUMN programmes.stand_in_count_max IS 'Approvals of a card in a calendar day of the programme.';
COMMENT ON COLUMN programmes.stand_in_sum_max_minor IS 'And what they come to.';
COMMENT ON COLUMN programmes.stand_in_categories IS 'Merchant category codes; empty = all.';
COMMENT ON COLUMN programmes.changed_by IS 'Who changed the row last; empty = it stands as it was made.';

CREATE TABLE programme_postures (
    programme        smallint NOT NULL REFERENCES programmes,
    revision         smallint NOT NULL,
    posture          text NOT NULL,
    amount_max_minor bigint NOT NULL,
    count_max        integer NOT NULL,
    sum_max_minor    bigint NOT NULL,
    categories       smallint[] NOT NULL,
    changed_by       text NOT NULL,
    changed_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE programme_postures IS 'Every posture that a programme has had since it was first changed: who set it, and when. Only grows.';
COMMENT ON COLUMN programme_postures.revision IS 'The programme''s from then on, which intents record.';
CREATE INDEX programme_postures_of ON programme_postures (programme, changed_at);

CREATE FUNCTION note_programme() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_by := changing();
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE FUNCTION record_posture() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO programme_postures
    VALUES (NEW.number, NEW.revision, NEW.posture, NEW.stand_in_amount_max_minor, NEW.stand_in_count_max,
            NEW.stand_in_sum_max_minor, NEW.stand_in_categories, NEW.changed_by, NEW.changed_at);
    RETURN NULL;
END $$;

CREATE TRIGGER programmes_note BEFORE UPDATE ON programmes FOR EACH ROW EXECUTE FUNCTION note_programme();
CREATE TRIGGER programmes_posture AFTER UPDATE ON programmes FOR EACH ROW
    WHEN ((OLD.posture, OLD.stand_in_amount_max_minor, OLD.stand_in_count_max, OLD.stand_in_sum_max_minor,
           OLD.stand_in_categories)
          IS DISTINCT FROM
          (NEW.posture, NEW.stand_in_amount_max_minor, NEW.stand_in_count_max, NEW.stand_in_sum_max_minor,
           NEW.stand_in_categories))
    EXECUTE FUNCTION record_posture();
CREATE TRIGGER programme_postures_keep BEFORE DELETE ON programme_postures
    FOR EACH ROW EXECUTE FUNCTION refuse_deletion();

COMMENT ON COLUMN authorizations.stand_in IS 'Approved without the ledger; stood_in says what became of it.';
COMMENT ON COLUMN authorizations.operation IS '1 authorize, 2 reverse, 3 increment, 4 advise, 5 clear, 6 expire, 9 book: what stood in, brought into the ledger. Labels are rows of their own table.';

CREATE INDEX authorizations_stood_in ON authorizations (decision_time) WHERE stand_in AND operation = 1;

CREATE VIEW stood_in AS
SELECT approved.authorization_id,
       approved.decision_time AS approved_at,
       approved.programme,
       approved.card_number,
       approved.account_number,
       approved.merchant_name,
       approved.merchant_category,
       approved.billing_currency,
       approved.approved_minor,
       CASE WHEN booked.response_code = '00' AND booked.owed_minor > 0 THEN 'overdrawn'
            WHEN booked.response_code = '00' THEN 'booked'
            WHEN booked.response_code IS NOT NULL THEN 'refused'
            WHEN ended.operation = 5 THEN 'cleared'
            WHEN ended.operation IS NOT NULL THEN 'let_go'
            ELSE 'waiting' END AS state,
       booked.decision_time AS booked_at,
       coalesce(booked.part_minor + booked.owed_minor, 0) AS booked_minor,
       coalesce(booked.owed_minor, 0) AS overdrawn_minor
FROM authorizations AS approved
LEFT JOIN LATERAL (
    SELECT response_code, decision_time, part_minor, owed_minor FROM authorizations AS message
    WHERE message.original_id = approved.authorization_id AND message.operation = 9
    ORDER BY sequence LIMIT 1) AS booked ON true
LEFT JOIN LATERAL (
    SELECT operation FROM authorizations AS message
    WHERE message.original_id = approved.authorization_id AND message.chain = 2 AND NOT message.held
    ORDER BY sequence LIMIT 1) AS ended ON true
WHERE approved.stand_in AND approved.operation = 1;
COMMENT ON VIEW stood_in IS 'Every approval without the ledger, and what became of it: waiting, booked, overdrawn (beyond the balance, owed), refused by the ledger; let_go or cleared before it was booked.';
