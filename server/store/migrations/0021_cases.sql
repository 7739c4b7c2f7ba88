-- Cases: what somebody has to look at, who has it, what was decided, and every step on the way.
--
-- The states and their arrows are drawn in compliance/cases/states.py; here they are held once more.

CREATE TABLE case_moves (
    before text NOT NULL,
    after  text NOT NULL,
    PRIMARY KEY (before, after)
);
COMMENT ON TABLE case_moves IS 'From which state a case may go to which. A test holds it against the code.';
INSERT INTO case_moves (before, after) VALUES
    ('open', 'assigned'), ('open', 'escalated'), ('open', 'decided'),
    ('assigned', 'in_review'), ('assigned', 'escalated'), ('assigned', 'decided'),
    ('in_review', 'assigned'), ('in_review', 'escalated'), ('in_review', 'decided'),
    ('escalated', 'decided'),
    ('decided', 'filed'), ('decided', 'closed'), ('decided', 'open'),
    ('filed', 'closed'), ('filed', 'open'),
    ('closed', 'open');

CREATE TABLE cases (
    id              uuid PRIMARY KEY,
    flagged_id      uuid UNIQUE,
    review_id       uuid,
    kind            text NOT NULL CHECK (kind IN ('transfer', 'sanctions', 'by_hand')),
    queue           text NOT NULL CHECK (queue IN ('sanctions', 'high', 'wires', 'cash', 'cards', 'transfers', 'by_hand')),
    tier            text NOT NULL CHECK (tier IN ('low', 'medium', 'high')),
    state           text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'assigned', 'in_review', 'escalated', 'decided', 'filed', 'closed')),
    source          text NOT NULL DEFAULT '' CHECK (source IN ('', 'authorization', 'transfer', 'customer')),
    source_id       uuid,
    customer_number integer REFERENCES customers,
    summary         text NOT NULL CHECK (length(summary) <= 1000),
    duties          jsonb NOT NULL DEFAULT '[]',
    assignee        text NOT NULL DEFAULT '',
    due_at          timestamptz NOT NULL,
    disposition     text CHECK (disposition IN ('cleared', 'suspicious', 'true_match')),
    actions         text[] NOT NULL DEFAULT '{}',
    reason          bytea,
    proposed_by     text NOT NULL DEFAULT '',
    decided_by      text NOT NULL DEFAULT '',
    decided_at      timestamptz,
    approved_by     text NOT NULL DEFAULT '',
    approved_at     timestamptz,
    forms_awaited   text[] NOT NULL DEFAULT '{}',
    forms_filed     text[] NOT NULL DEFAULT '{}',
    filings         uuid[] NOT NULL DEFAULT '{}',
    opened_at       timestamptz NOT NULL,
    reopened_at     timestamptz,
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL,
    CONSTRAINT cases_decided_by_somebody CHECK (
        state NOT IN ('decided', 'filed', 'closed')
        OR disposition IS NOT NULL AND decided_by <> '' AND decided_at IS NOT NULL AND reason IS NOT NULL),
    CONSTRAINT cases_second_pair_of_eyes CHECK (approved_by = '' OR approved_by <> decided_by),
    CONSTRAINT cases_high_closed_by_two CHECK (state <> 'closed' OR tier <> 'high' OR approved_by <> '')
);
COMMENT ON TABLE cases IS 'What somebody has to look at. One for a flagged transfer, whatever happens.';
COMMENT ON COLUMN cases.flagged_id IS 'The row of flagged that it is about; null = none.';
COMMENT ON COLUMN cases.review_id IS 'The review that opened it, or last raised its tier.';
COMMENT ON COLUMN cases.source_id IS 'authorizations.authorization_id, transfers.id, or a customer''s number as a uuid.';
COMMENT ON COLUMN cases.summary IS 'For people, in one line; without personal data.';
COMMENT ON COLUMN cases.duties IS 'What the review says must be done, as it says it.';
COMMENT ON COLUMN cases.due_at IS 'By when somebody must have decided; starts again when it is reopened.';
COMMENT ON COLUMN cases.disposition IS 'What was decided, or in state escalated, what is proposed; null = nothing.';
COMMENT ON COLUMN cases.actions IS 'What the decision does, or would do.';
COMMENT ON COLUMN cases.reason IS 'Sealed: why it was decided or proposed so.';
COMMENT ON COLUMN cases.proposed_by IS 'Who proposes, while somebody else has yet to approve; else empty.';
COMMENT ON COLUMN cases.decided_by IS 'Who decided; of a proposal that was approved, who made it.';
COMMENT ON COLUMN cases.approved_by IS 'The second pair of eyes; never the first.';
COMMENT ON COLUMN cases.forms_awaited IS 'Kinds of duties that the decision leaves to be filed, such as ctr.';
COMMENT ON COLUMN cases.filings IS 'What was filed for it: ids of filings.';

CREATE INDEX cases_by_due ON cases (due_at, id) WHERE state <> 'closed';
CREATE INDEX cases_by_opening ON cases (opened_at, id);
CREATE INDEX cases_by_customer ON cases (customer_number, opened_at);
CREATE INDEX cases_by_source ON cases (source_id) WHERE source_id IS NOT NULL;
CREATE INDEX cases_by_words ON cases USING gin (to_tsvector('simple', summary));

CREATE FUNCTION guard_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM case_moves WHERE before = OLD.state AND after = NEW.state) THEN
        RAISE EXCEPTION 'a case does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER cases_guard BEFORE UPDATE ON cases FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION guard_case();

CREATE TABLE case_events (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id        uuid NOT NULL REFERENCES cases,
    event          text NOT NULL CHECK (event IN ('opened', 'raised', 'assigned', 'commented', 'evidence', 'escalated',
                                                  'proposed', 'decided', 'approved', 'returned', 'filed', 'closed',
                                                  'reopened')),
    before         text NOT NULL,
    after          text NOT NULL,
    actor          text NOT NULL,
    role           text NOT NULL,
    details        jsonb NOT NULL DEFAULT '{}',
    text           bytea,
    correlation_id text NOT NULL,
    happened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    version        xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE case_events IS 'Every step of a case, who made it and when; never changed.';
COMMENT ON COLUMN case_events.before IS 'State before; empty = it was opened.';
COMMENT ON COLUMN case_events.details IS 'Names, states and numbers; without personal data.';
COMMENT ON COLUMN case_events.text IS 'Sealed: a comment or a reason, as somebody wrote it; null = none.';
COMMENT ON COLUMN case_events.version IS 'Transaction that wrote it: readers of what is new stop below the oldest one still running.';

CREATE INDEX case_events_by_case ON case_events (case_id, number);
CREATE INDEX case_events_by_version ON case_events (version, number);

CREATE TABLE case_evidence (
    id       uuid PRIMARY KEY,
    case_id  uuid NOT NULL REFERENCES cases,
    name     bytea NOT NULL,
    sha256   bytea NOT NULL CHECK (octet_length(sha256) = 32),
    size     integer NOT NULL CHECK (size > 0),
    content  bytea NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL,
    UNIQUE (case_id, sha256)
);
COMMENT ON TABLE case_evidence IS 'What was laid to a case: files and texts.';
COMMENT ON COLUMN case_evidence.name IS 'Sealed: what it is called.';
COMMENT ON COLUMN case_evidence.sha256 IS 'Of the content before it was sealed.';
COMMENT ON COLUMN case_evidence.size IS 'Bytes of it.';
COMMENT ON COLUMN case_evidence.content IS 'Sealed: Base64 of the bytes.';

CREATE TRIGGER case_events_stay BEFORE UPDATE ON case_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER case_evidence_stays BEFORE UPDATE ON case_evidence FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION tell_cases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY holdfast_cases;
    RETURN NULL;
END $$;
CREATE TRIGGER case_events_tell AFTER INSERT ON case_events FOR EACH STATEMENT EXECUTE FUNCTION tell_cases();
