-- The policy library: works by edition, the passages they were split into, and an index of their words.

CREATE TABLE policy_documents (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name         text NOT NULL,
    title        text NOT NULL,
    kind         text NOT NULL,
    jurisdiction text NOT NULL,
    effective    date,
    since        date NOT NULL DEFAULT '-infinity',
    until        date,
    digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
    shipped      boolean NOT NULL DEFAULT false,
    imported_by  text NOT NULL,
    imported_at  timestamptz NOT NULL,
    withdrawn_on date,
    withdrawn_by text,
    withdrawn_at timestamptz,
    UNIQUE (name, digest)
);
COMMENT ON TABLE policy_documents IS 'Editions: a new one of the same name supersedes; none is ever changed or deleted.';
COMMENT ON COLUMN policy_documents.number IS 'In the order of import.';
COMMENT ON COLUMN policy_documents.effective IS 'First day in force, as stated; null = not known.';
COMMENT ON COLUMN policy_documents.since IS 'That day; where it is not known, the day of import, and of a name''s first edition always.';
COMMENT ON COLUMN policy_documents.until IS 'First day on which a newer edition is in force instead; null = none is.';
COMMENT ON COLUMN policy_documents.digest IS 'SHA-256 of everything imported: the same again changes nothing.';
COMMENT ON COLUMN policy_documents.shipped IS 'Came with Holdfast; a policy of the bank''s own of that kind goes first.';

CREATE FUNCTION policy_in_force(d policy_documents, day date) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT d.since <= day AND (d.until IS NULL OR d.until > day) AND (d.withdrawn_on IS NULL OR d.withdrawn_on > day)
$$;

CREATE TABLE policy_passages (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES policy_documents,
    place       integer NOT NULL,
    citation    text NOT NULL,
    section     text NOT NULL,
    heading     text NOT NULL,
    context     text NOT NULL,
    body        text NOT NULL,
    UNIQUE (document_id, place)
);
COMMENT ON COLUMN policy_passages.citation IS 'With its paragraph, such as 31 CFR 1010.306(a).';
COMMENT ON COLUMN policy_passages.section IS 'Without it: 31 CFR 1010.306.';
COMMENT ON COLUMN policy_passages.context IS 'Headings above the section''s own, such as Rules for banks; empty = none.';
CREATE INDEX policy_passages_by_section ON policy_passages (section);

CREATE TABLE policy_terms (
    lexeme  text NOT NULL,
    passage bigint NOT NULL REFERENCES policy_passages,
    heading smallint NOT NULL,
    body    smallint NOT NULL,
    PRIMARY KEY (lexeme, passage)
);
COMMENT ON TABLE policy_terms IS
    'The english configuration''s lexemes of each passage, and how often each stands in heading and body. ts_rank knows no document frequency; a ranking that does reads this.';
