-- Sanctions lists: editions of them, which is in force, what changed, who was cleared, and which customers are listed.

CREATE TABLE sanctions_editions (
    number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_name     text NOT NULL CHECK (list_name IN ('ofac_sdn', 'ofac_consolidated', 'un')),
    list_date     date NOT NULL,
    entry_count   integer NOT NULL CHECK (entry_count > 0),
    name_count    integer NOT NULL,
    alias_count   integer NOT NULL,
    address_count integer NOT NULL,
    orphan_count  integer NOT NULL,
    files         text[] NOT NULL,
    content       bytea NOT NULL,
    changed_by    text NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sanctions_editions.content IS 'The entries as JSON, compressed by zlib.';
COMMENT ON COLUMN sanctions_editions.orphan_count IS 'Aliases and addresses whose entry the list does not hold.';

CREATE TABLE sanctions_lists (
    list_name  text PRIMARY KEY,
    edition    bigint NOT NULL REFERENCES sanctions_editions,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sanctions_lists IS 'The edition of each list that is in force: an import switches one row.';

CREATE TABLE sanctions_changes (
    edition    bigint NOT NULL REFERENCES sanctions_editions,
    entry_id   text NOT NULL,
    change     text NOT NULL CHECK (change IN ('added', 'changed', 'removed')),
    entry_name text NOT NULL,
    PRIMARY KEY (edition, entry_id)
);
COMMENT ON TABLE sanctions_changes IS 'What an edition changed against the one before it of the same list.';

CREATE TABLE sanctions_exceptions (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_number integer,
    party_key       bytea CHECK (octet_length(party_key) = 16),
    list_name       text NOT NULL,
    entry_id        text NOT NULL,
    entry_digest    text NOT NULL,
    reason          text NOT NULL CHECK (length(reason) BETWEEN 3 AND 500),
    expires_on      date NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    withdrawn_by    text,
    withdrawn_at    timestamptz,
    CHECK ((customer_number IS NULL) <> (party_key IS NULL)),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
);
COMMENT ON TABLE sanctions_exceptions IS 'Who was found not to be an entry (good guys). It ends by its date, by hand, or when the entry changes.';
COMMENT ON COLUMN sanctions_exceptions.party_key IS 'Of another party than a customer: keyed hash of its name.';
COMMENT ON COLUMN sanctions_exceptions.entry_digest IS 'Of the entry as it was when somebody was cleared of it.';

CREATE TABLE sanctions_screened (
    customer_number  integer PRIMARY KEY,
    customer_version xid8 NOT NULL,
    edition          bigint NOT NULL,
    screened_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sanctions_screened IS 'The state of a customer, and the newest edition, at the last screening.';

CREATE TABLE sanctions_matches (
    customer_number integer NOT NULL,
    list_name       text NOT NULL,
    entry_id        text NOT NULL,
    score           real NOT NULL,
    state           text NOT NULL CHECK (state IN ('possible', 'true', 'cleared')),
    list_date       date NOT NULL,
    report_due      date,
    found_at        timestamptz NOT NULL DEFAULT now(),
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_number, list_name, entry_id),
    CHECK ((state = 'true') = (report_due IS NOT NULL))
);
COMMENT ON COLUMN sanctions_matches.report_due IS 'The blocked-property report: 10 business days (31 CFR 501.603).';

CREATE TABLE sanctions_rescreening (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    edition  bigint NOT NULL DEFAULT 0,
    towards  bigint NOT NULL DEFAULT 0,
    after    bytea NOT NULL DEFAULT '',
    moved_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sanctions_rescreening IS 'One row: how far counterparties of recent transfers were held against what lists changed.';
COMMENT ON COLUMN sanctions_rescreening.edition IS 'All of them were held against everything up to this edition.';
COMMENT ON COLUMN sanctions_rescreening.towards IS 'The edition that is being worked towards.';
COMMENT ON COLUMN sanctions_rescreening.after IS 'Those up to this transfer_parties.counterparty_key are done.';
INSERT INTO sanctions_rescreening DEFAULT VALUES;
