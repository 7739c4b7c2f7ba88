-- Countries as lists name them, and errors that consumers told of (Regulation E).

CREATE TABLE countries (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    country    text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    status     text NOT NULL CHECK (status IN ('high_risk', 'sanctioned')),
    source     text NOT NULL CHECK (length(source) BETWEEN 1 AND 200),
    as_of      date NOT NULL,
    note       text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    removed_by text,
    removed_at timestamptz,
    CHECK ((removed_by IS NULL) = (removed_at IS NULL))
);
CREATE UNIQUE INDEX countries_now ON countries (source, country, status) WHERE removed_at IS NULL;
COMMENT ON TABLE countries IS 'A source is replaced whole by an import; what no longer counts stays, with who removed it and when.';
COMMENT ON COLUMN countries.country IS 'ISO 3166-1 alpha-2. Programmes over regions (Crimea, Donetsk, Luhansk) have no code: screening and people see to those.';
COMMENT ON COLUMN countries.as_of IS 'The date of the list itself.';

INSERT INTO countries (country, status, source, as_of, note, changed_by)
SELECT country, 'high_risk', 'FATF: call for action', DATE '2025-10-24', '', 'migration'
FROM unnest(ARRAY['IR', 'KP', 'MM']) AS country
UNION ALL
SELECT country, 'high_risk', 'FATF: increased monitoring', DATE '2025-10-24', '', 'migration'
FROM unnest(ARRAY['AO', 'BG', 'BO', 'CD', 'CI', 'CM', 'DZ', 'HT', 'KE', 'LA', 'LB', 'MC', 'NA', 'NP', 'SS', 'SY', 'VE',
                  'VG', 'VN', 'YE']) AS country
UNION ALL
SELECT country, 'sanctioned', 'OFAC: comprehensive programmes', DATE '2025-10-24', part, 'migration'
FROM (VALUES ('CU', '31 CFR part 515'), ('IR', '31 CFR part 560'), ('KP', '31 CFR part 510')) AS known (country, part);

CREATE TABLE disputes (
    id                  uuid PRIMARY KEY,
    account_number      integer NOT NULL REFERENCES accounts,
    source_id           uuid,
    kind                text NOT NULL CHECK (kind IN ('unauthorized', 'error')),
    device              boolean NOT NULL,
    until_2_days_minor  bigint NOT NULL CHECK (until_2_days_minor >= 0),
    until_60_days_minor bigint NOT NULL CHECK (until_60_days_minor >= 0),
    after_60_days_minor bigint NOT NULL CHECK (after_60_days_minor >= 0),
    first_on            date NOT NULL,
    noticed_on          date NOT NULL,
    learned_on          date,
    statement_on        date,
    is_new_account      boolean NOT NULL,
    is_extended         boolean NOT NULL,
    reason              text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    state               text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'error_found', 'no_error', 'withdrawn')),
    credited_minor      bigint NOT NULL DEFAULT 0 CHECK (credited_minor >= 0),
    credited_on         date,
    resolved_on         date,
    liability_minor     bigint CHECK (liability_minor >= 0),
    resolution          text NOT NULL DEFAULT '' CHECK (length(resolution) <= 1000),
    changed_by          text NOT NULL,
    changed_at          timestamptz NOT NULL DEFAULT now(),
    CHECK (until_2_days_minor + until_60_days_minor + after_60_days_minor > 0),
    CHECK ((state = 'open') = (resolved_on IS NULL)),
    CHECK ((credited_minor > 0) = (credited_on IS NOT NULL))
);
CREATE INDEX disputes_open ON disputes (noticed_on) WHERE state = 'open';
CREATE INDEX disputes_by_account ON disputes (account_number);
COMMENT ON TABLE disputes IS
    'Errors that a consumer told of: 12 CFR 1005.11; what unauthorized transfers may cost him: 1005.6. Amounts are US cents.';
COMMENT ON COLUMN disputes.source_id IS 'The transfer or authorization, where it is one of ours.';
COMMENT ON COLUMN disputes.device IS 'A lost or stolen card (or code) was used: the tiers of 50 and 500 dollars apply.';
COMMENT ON COLUMN disputes.until_2_days_minor IS 'Within two business days after the consumer learned of the loss.';
COMMENT ON COLUMN disputes.until_60_days_minor IS 'After that, until 60 days after the statement.';
COMMENT ON COLUMN disputes.after_60_days_minor IS 'Later, before notice.';
COMMENT ON COLUMN disputes.first_on IS 'Day of the transfer; of several the first.';
COMMENT ON COLUMN disputes.learned_on IS 'Day on which the consumer learned of the loss or theft.';
COMMENT ON COLUMN disputes.statement_on IS 'Day on which the first statement that shows it was sent.';
COMMENT ON COLUMN disputes.is_new_account IS 'Within 30 days after the first deposit: 20 business days and 90 days.';
COMMENT ON COLUMN disputes.is_extended IS 'At a point of sale, or initiated abroad: 90 days.';
COMMENT ON COLUMN disputes.reason IS 'What the consumer says; no personal data belongs here.';
