-- The audit log: append-only, each row hash-chained to the one before, sealed by signed checkpoints.
--
-- What was written is `content`; the columns to search by are made from it by PostgreSQL, so that nobody changes one
-- without the other. hash = SHA-256(hash of the row before || number, 8 bytes, big-endian || content, UTF-8).

CREATE TABLE audit_head (
    place  smallint PRIMARY KEY DEFAULT 1 CHECK (place = 1),
    number bigint NOT NULL,
    hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
);
COMMENT ON TABLE audit_head IS 'The end of the chain. Whoever appends locks it until his transaction ends: numbers have no gaps.';
INSERT INTO audit_head (number, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE TABLE audit (
    number         bigint PRIMARY KEY CHECK (number > 0),
    content        text NOT NULL CHECK (octet_length(content) <= 262144),
    hash           bytea NOT NULL CHECK (octet_length(hash) = 32),
    actor          text NOT NULL GENERATED ALWAYS AS (content::jsonb ->> 'actor') STORED,
    role           text NOT NULL GENERATED ALWAYS AS (content::jsonb ->> 'role') STORED,
    action         text NOT NULL GENERATED ALWAYS AS (content::jsonb ->> 'action') STORED,
    resource       text NOT NULL GENERATED ALWAYS AS (content::jsonb ->> 'resource') STORED,
    old            jsonb GENERATED ALWAYS AS (content::jsonb -> 'old') STORED,
    new            jsonb GENERATED ALWAYS AS (content::jsonb -> 'new') STORED,
    correlation_id text NOT NULL GENERATED ALWAYS AS (content::jsonb ->> 'correlation_id') STORED,
    happened_at    timestamptz NOT NULL
        GENERATED ALWAYS AS (to_timestamp((content::jsonb ->> 'at_us')::double precision / 1000000)) STORED
);
COMMENT ON TABLE audit IS 'Who did what, or was denied it, or saw personal data; never changed. No personal data in it.';
COMMENT ON COLUMN audit.number IS 'In the order of the chain, without gaps; from 1.';
COMMENT ON COLUMN audit.content IS 'Canonical JSON: keys in order, no spaces; at_us is PostgreSQL''s clock, microseconds since 1970.';
COMMENT ON COLUMN audit.old IS 'What it was before; null = nothing, or nothing changed.';
COMMENT ON COLUMN audit.correlation_id IS 'One for everything that one call or one review did; empty = none.';
CREATE INDEX audit_by_actor ON audit (actor, number);
CREATE INDEX audit_by_resource ON audit (resource, number);
CREATE INDEX audit_by_correlation ON audit (correlation_id, number) WHERE correlation_id <> '';
CREATE INDEX audit_by_time ON audit (happened_at);

CREATE TABLE audit_checkpoints (
    number    bigint PRIMARY KEY CHECK (number > 0),
    document  text NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    last_row  bigint NOT NULL GENERATED ALWAYS AS ((document::jsonb ->> 'last_row')::bigint) STORED,
    pruned_to bigint NOT NULL GENERATED ALWAYS AS ((document::jsonb ->> 'pruned_to')::bigint) STORED
);
COMMENT ON TABLE audit_checkpoints IS 'What the log was, signed; each is also in a second place. Never changed.';
COMMENT ON COLUMN audit_checkpoints.document IS
    'Canonical JSON: the rows since the checkpoint before, their Merkle root, the chain''s hash at their end.';
COMMENT ON COLUMN audit_checkpoints.signature IS 'Ed25519 of the document, after a fixed prefix.';
COMMENT ON COLUMN audit_checkpoints.last_row IS 'audit.number that it reaches to.';
COMMENT ON COLUMN audit_checkpoints.pruned_to IS 'audit.number up to which rows were given up by age; 0 = none.';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit' THEN
        IF OLD.number <= (SELECT coalesce(max(pruned_to), 0) FROM audit_checkpoints) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '% is only added to: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION refuse_audit_change IS 'Rows of audit that a signed checkpoint gave up may be deleted; nothing else.';
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_checkpoints_stay BEFORE UPDATE OR DELETE ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_checkpoints_stay_whole BEFORE TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_head_stays_whole BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Also from the owner: retention takes the right to delete for one transaction, and gives it back.
REVOKE UPDATE, DELETE, TRUNCATE ON audit, audit_checkpoints FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON audit_head FROM PUBLIC, CURRENT_USER;
