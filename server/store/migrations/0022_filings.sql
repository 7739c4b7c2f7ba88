-- What is filed with FinCEN and OFAC. Who may see that a row is here is decided in compliance/roles.py (SEE_FILINGS):
-- that there is a suspicious activity report is itself confidential (31 CFR 1020.320(e)).

CREATE TABLE filings (
    id              uuid PRIMARY KEY,
    case_id         uuid NOT NULL,
    form            text NOT NULL CHECK (form IN ('sar', 'ctr', 'blocked_property_report')),
    report          text NOT NULL CHECK (report IN ('initial', 'corrects', 'continues')),
    follows         uuid REFERENCES filings,
    state           text NOT NULL DEFAULT 'draft'
        CHECK (state IN ('draft', 'approved', 'exported', 'accepted', 'rejected', 'withdrawn')),
    content         bytea NOT NULL,
    customer_number integer,
    begins_on       date NOT NULL,
    due_on          date NOT NULL,
    authors         text[] NOT NULL CHECK (cardinality(authors) > 0),
    approved_by     text NOT NULL DEFAULT '',
    approved_at     timestamptz,
    batch_id        uuid,
    place           integer,
    filed_on        date,
    bsa_id          text NOT NULL DEFAULT '' CHECK (bsa_id ~ '^\d{0,14}$'),
    troubles        bytea,
    reason          bytea,
    prepared_at     timestamptz NOT NULL,
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL,
    CONSTRAINT filings_second_pair_of_eyes CHECK (NOT approved_by = ANY (authors)),
    CONSTRAINT filings_approved_before_they_go
        CHECK (state NOT IN ('approved', 'exported', 'accepted') OR approved_by <> '' AND approved_at IS NOT NULL),
    CONSTRAINT filings_sent_in_a_batch
        CHECK (state NOT IN ('exported', 'accepted') OR batch_id IS NOT NULL AND filed_on IS NOT NULL),
    CHECK ((report = 'initial') = (follows IS NULL))
);
COMMENT ON TABLE filings IS 'Reports to FinCEN and OFAC. The states are drawn in compliance/filings/states.py.';
COMMENT ON COLUMN filings.follows IS 'The filing that this one corrects or continues.';
COMMENT ON COLUMN filings.content IS 'Sealed: what it says, as JSON (compliance/filings/content.py).';
COMMENT ON COLUMN filings.begins_on IS 'When its clock began: detection, the day of the cash, the day of the block.';
COMMENT ON COLUMN filings.due_on IS 'Last day to file.';
COMMENT ON COLUMN filings.authors IS 'Who prepared or edited it: none of them approves it.';
COMMENT ON COLUMN filings.place IS 'Among the reports of its batch, from 0.';
COMMENT ON COLUMN filings.bsa_id IS 'FinCEN''s identifier; empty until it was accepted.';
COMMENT ON COLUMN filings.troubles IS 'Sealed: what FinCEN''s acknowledgement says of it, as JSON; null = nothing.';
COMMENT ON COLUMN filings.reason IS 'Sealed: why it was withdrawn; null = it was not.';
CREATE UNIQUE INDEX filings_once ON filings (case_id, form, report, coalesce(follows, case_id)) WHERE state <> 'withdrawn';
CREATE INDEX filings_by_due ON filings (due_on) WHERE state IN ('draft', 'approved', 'rejected');
CREATE INDEX filings_by_batch ON filings (batch_id, place) WHERE batch_id IS NOT NULL;
CREATE INDEX filings_by_time ON filings (prepared_at);

CREATE TABLE filing_batches (
    id              uuid PRIMARY KEY,
    form            text NOT NULL,
    file_name       text NOT NULL UNIQUE,
    filings         integer NOT NULL CHECK (filings > 0),
    content         bytea NOT NULL,
    exported_by     text NOT NULL,
    exported_at     timestamptz NOT NULL,
    written_at      timestamptz,
    is_accepted     boolean,
    acknowledged_by text NOT NULL DEFAULT '',
    acknowledged_at timestamptz
);
COMMENT ON TABLE filing_batches IS 'Batch files as they were exported.';
COMMENT ON COLUMN filing_batches.content IS 'Sealed: the file, byte for byte.';
COMMENT ON COLUMN filing_batches.written_at IS 'When the file was there; null = a crash came between: the next export writes it.';
COMMENT ON COLUMN filing_batches.is_accepted IS 'What FinCEN''s acknowledgement says of the batch; null = none was read yet.';
