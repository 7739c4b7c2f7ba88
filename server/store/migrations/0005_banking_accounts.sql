-- Accounts as people open and close them, and what was lent on them.

ALTER TABLE accounts
    ADD COLUMN credit_limit_minor bigint NOT NULL DEFAULT 0 CHECK (credit_limit_minor >= 0),
    ADD COLUMN closing_id         uuid UNIQUE,
    ADD COLUMN closing_at         timestamptz,
    ADD COLUMN closed_at          timestamptz,
    ADD COLUMN opened_by          bigint,
    ADD COLUMN idempotency_key    text,
    ADD COLUMN request_digest     bytea,
    ADD CONSTRAINT accounts_close_in_order
        CHECK ((closing_id IS NULL OR state = 'closed') AND (closed_at IS NULL OR closing_id IS NOT NULL));
COMMENT ON COLUMN accounts.state IS 'What its cards answer: closed is 46, from the moment in which closing was asked for.';
COMMENT ON COLUMN accounts.credit_limit_minor IS 'Minor units, as last set. The ledger has the truth.';
COMMENT ON COLUMN accounts.closing_id IS 'Id of the ledger''s closing transfer; null = closing was not asked for.';
COMMENT ON COLUMN accounts.closed_at IS 'When the ledger''s account was closed; null while holds or clearings may still come.';
COMMENT ON COLUMN accounts.opened_by IS 'Digest of the identity that asked; null = not opened by a request.';
COMMENT ON COLUMN accounts.request_digest IS 'What the request said: the same key with other content is refused.';

CREATE UNIQUE INDEX accounts_by_request ON accounts (opened_by, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX accounts_that_close ON accounts (number) WHERE closing_id IS NOT NULL AND closed_at IS NULL;
