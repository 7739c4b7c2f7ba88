-- Which PAN key each card's hash was made with, while keys rotate; and who made and retired keys.

-- Cards of before stand under the installation's key; a constant default writes no row of millions.
DO $$
BEGIN
    EXECUTE format('ALTER TABLE cards ADD COLUMN pan_key text NOT NULL DEFAULT %L',
                   coalesce((SELECT pan_fingerprint FROM installation), ''));
END $$;
ALTER TABLE cards ALTER COLUMN pan_key DROP DEFAULT;
COMMENT ON COLUMN cards.pan_key IS 'Fingerprint of the PAN key that pan_hash was made with: today''s, or the one before until the card is next seen.';
COMMENT ON COLUMN installation.pan_fingerprint IS 'Fingerprint of the PAN key in use: it tells keys apart and reveals nothing of them.';

CREATE TABLE pan_keys (
    fingerprint text PRIMARY KEY,
    made_by     text,
    made_at     timestamptz,
    retired_by  text,
    retired_at  timestamptz,
    CHECK ((made_by IS NULL) = (made_at IS NULL)),
    CHECK ((retired_by IS NULL) = (retired_at IS NULL))
);
COMMENT ON TABLE pan_keys IS 'PAN keys that people made or retired; not the keys, which are in no database. Only grows.';
COMMENT ON COLUMN pan_keys.made_by IS 'Who had it made; null for the installation''s first.';
CREATE TRIGGER pan_keys_keep BEFORE DELETE ON pan_keys FOR EACH ROW EXECUTE FUNCTION refuse_deletion();
