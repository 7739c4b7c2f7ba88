-- What an issuer sets against fraud: limits of programmes, accounts and cards; rules; block lists.
--
-- What is set is never changed in place: another definition is another row, and a row only moves on through its
-- lifecycle. Every move is written down with who made it and when: who `holdfast.changed_by` names in the transaction
-- (set_config), or else the database's user. Names are interned as small numbers, which decisions carry.

CREATE TABLE lifecycle_moves (
    kind   text NOT NULL CHECK (kind IN ('limit', 'rule', 'block')),
    before text NOT NULL,
    after  text NOT NULL,
    PRIMARY KEY (kind, before, after)
);
COMMENT ON TABLE lifecycle_moves IS 'Which moves are allowed; a new row comes from nowhere (empty).';

INSERT INTO lifecycle_moves (kind, before, after) VALUES
    ('limit', '', 'draft'), ('limit', '', 'shadow'), ('limit', '', 'live'),
    ('limit', 'draft', 'shadow'), ('limit', 'draft', 'live'), ('limit', 'shadow', 'live'),
    ('limit', 'draft', 'retired'), ('limit', 'shadow', 'retired'), ('limit', 'live', 'retired'),
    ('rule', '', 'draft'), ('rule', 'draft', 'shadow'), ('rule', 'shadow', 'live'), ('rule', 'live', 'shadow'),
    ('rule', 'draft', 'retired'), ('rule', 'shadow', 'retired'), ('rule', 'live', 'retired'),
    ('block', '', 'draft'), ('block', '', 'shadow'), ('block', '', 'live'),
    ('block', 'draft', 'shadow'), ('block', 'draft', 'live'), ('block', 'shadow', 'live'),
    ('block', 'draft', 'lifted'), ('block', 'shadow', 'lifted'), ('block', 'live', 'lifted'),
    ('block', 'lifted', 'draft'), ('block', 'lifted', 'shadow'), ('block', 'lifted', 'live');

CREATE TABLE lifecycle_changes (
    kind       text NOT NULL,
    number     integer NOT NULL,
    before     text NOT NULL,
    after      text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE lifecycle_changes IS 'Every move of a limit, a rule or a line of a block list: who, when. Only grows.';
CREATE INDEX lifecycle_changes_of ON lifecycle_changes (kind, number, changed_at);

CREATE TABLE limit_names (
    number  smallint PRIMARY KEY CHECK (number > 0),
    name    text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    version xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE limit_names IS 'Names of limits as decisions carry them.';

-- Decisions of before have them by these numbers.
INSERT INTO limit_names (number, name) VALUES
    (1, 'count_1m'), (2, 'count_1h'), (3, 'count_24h'), (4, 'count_7d'),
    (5, 'amount_1m'), (6, 'amount_1h'), (7, 'amount_24h'), (8, 'amount_7d'),
    (9, 'amount_transaction'), (10, 'amount_day'), (11, 'amount_month');

CREATE TABLE rule_names (
    number  smallint PRIMARY KEY CHECK (number > 0),
    name    text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    version xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE rule_names IS 'Names of rules as decisions carry them.';

-- A line of a block list that only counts is counted under its list, whose number is its kind's in the server.
INSERT INTO rule_names (number, name) VALUES
    (1, 'blocked_merchant'), (2, 'blocked_device'), (3, 'blocked_ip'), (4, 'blocked_country'), (5, 'blocked_card');

CREATE TABLE limits (
    number         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL REFERENCES limit_names (name),
    programme      smallint REFERENCES programmes,
    account_number integer REFERENCES accounts,
    card_number    integer REFERENCES cards,
    subject        text NOT NULL DEFAULT 'card'
        CHECK (subject IN ('card', 'account', 'merchant', 'device', 'ip')),
    measure        text NOT NULL
        CHECK (measure IN ('count', 'amount', 'merchants', 'countries', 'categories', 'cards')),
    outcome        text NOT NULL DEFAULT 'approvals' CHECK (outcome IN ('approvals', 'attempts', 'declines')),
    period         text NOT NULL
        CHECK (period IN ('10s', '1m', '10m', '1h', '24h', '7d', '30d', '31d', 'transaction', 'day', 'month')),
    ceiling        bigint CHECK (ceiling > 0),
    state          text NOT NULL DEFAULT 'live' CHECK (state IN ('draft', 'shadow', 'live', 'retired')),
    changed_by     text NOT NULL DEFAULT '',
    changed_at     timestamptz NOT NULL DEFAULT now(),
    version        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT limits_belong_to_one CHECK (num_nonnulls(programme, account_number, card_number) = 1),
    CONSTRAINT limits_of_a_programme_have_a_ceiling CHECK (ceiling IS NOT NULL OR programme IS NULL),
    CONSTRAINT distinct_measures_are_of_attempts CHECK (measure IN ('count', 'amount') OR outcome = 'attempts'),
    CONSTRAINT distinct_measures_are_of_others CHECK ((subject, measure) NOT IN (('merchant', 'merchants'), ('card', 'cards'))),
    CONSTRAINT declines_are_counted CHECK (outcome <> 'declines' OR measure = 'count'),
    CONSTRAINT calendar_limits_are_of_amounts CHECK (
        period NOT IN ('transaction', 'day', 'month') OR (measure = 'amount' AND outcome = 'approvals')),
    CONSTRAINT calendar_limits_are_of_cards_and_accounts CHECK (
        subject = 'card' OR period NOT IN ('transaction', 'day', 'month') OR (subject = 'account' AND period <> 'transaction'))
);
COMMENT ON TABLE limits IS 'What an approval may consume. Of programme, account and card the nearest to the card counts.';
COMMENT ON COLUMN limits.subject IS 'Whose use is measured.';
COMMENT ON COLUMN limits.outcome IS 'Approvals (given back by reversals and expiries), attempts, or declines.';
COMMENT ON COLUMN limits.period IS 'A sliding window; one transaction; a calendar day or month in the programme''s time zone.';
COMMENT ON COLUMN limits.ceiling IS 'Passed above it; amounts in minor units of the programme''s currency. Null: lifted for this account or card.';

CREATE UNIQUE INDEX limits_live ON limits (coalesce(programme, -1), coalesce(account_number, -1),
    coalesce(card_number, -1), subject, measure, outcome, period) WHERE state = 'live';
CREATE UNIQUE INDEX limits_shadow ON limits (coalesce(programme, -1), coalesce(account_number, -1),
    coalesce(card_number, -1), subject, measure, outcome, period) WHERE state = 'shadow';
CREATE INDEX limits_of_programmes ON limits (programme) WHERE programme IS NOT NULL;
CREATE INDEX limits_of_accounts ON limits (account_number) WHERE account_number IS NOT NULL;
CREATE INDEX limits_of_cards ON limits (card_number) WHERE card_number IS NOT NULL;

CREATE FUNCTION conditions_are_sound(conditions jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(conditions) <> 'array' THEN false
                WHEN jsonb_array_length(conditions) NOT BETWEEN 1 AND 16 THEN false
                ELSE (SELECT bool_and(coalesce(CASE
                          WHEN jsonb_typeof(entry) <> 'object' THEN false
                          WHEN (SELECT count(*) FROM jsonb_object_keys(entry)) <> 2 THEN false
                          WHEN jsonb_typeof(entry -> 'field') <> 'string' THEN false
                          WHEN entry ? 'missing' THEN jsonb_typeof(entry -> 'missing') = 'boolean'
                          WHEN entry ?| '{in,not_in}' THEN
                              CASE jsonb_typeof(coalesce(entry -> 'in', entry -> 'not_in')) WHEN 'array' THEN
                                  (SELECT count(*) BETWEEN 1 AND 1000 AND bool_and(jsonb_typeof(value) = 'number')
                                   FROM jsonb_array_elements(coalesce(entry -> 'in', entry -> 'not_in')) AS listed (value))
                              ELSE false END
                          ELSE jsonb_typeof(coalesce(entry -> 'above', entry -> 'at_least', entry -> 'below',
                                                     entry -> 'at_most', entry -> 'equals')) = 'number'
                      END, false)) FROM jsonb_array_elements(conditions) AS listed (entry))
           END
$$;

CREATE TABLE rules (
    number     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL REFERENCES rule_names (name),
    revision   integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    programme  smallint REFERENCES programmes,
    conditions jsonb NOT NULL CHECK (conditions_are_sound(conditions)),
    action     text NOT NULL CHECK (action IN ('decline', 'step_up', 'flag')),
    state      text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'shadow', 'live', 'retired')),
    changed_by text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now(),
    version    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (name, revision),
    CHECK (name NOT LIKE 'blocked\_%')
);
COMMENT ON TABLE rules IS 'What answers an attempt beside its score: one row a version of a rule.';
COMMENT ON COLUMN rules.revision IS 'Counts the versions of one name.';
COMMENT ON COLUMN rules.programme IS 'Null = all programmes.';
COMMENT ON COLUMN rules.conditions IS 'All of them must hold: [{"field": ..., "above" | "at_least" | "below" | "at_most" | "equals" | "in" | "not_in" | "missing": ...}].';
COMMENT ON COLUMN rules.action IS 'decline: 59; step_up: 1A; flag: approved, and shown.';

CREATE UNIQUE INDEX rules_live ON rules (name) WHERE state = 'live';
CREATE UNIQUE INDEX rules_shadow ON rules (name) WHERE state = 'shadow';

ALTER TABLE block_entries
    ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN state text NOT NULL DEFAULT 'live' CHECK (state IN ('draft', 'shadow', 'live', 'lifted')),
    ADD COLUMN changed_by text NOT NULL DEFAULT '',
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
    DROP CONSTRAINT block_entries_kind_check,
    ADD CONSTRAINT block_entries_kind_check CHECK (kind IN ('merchant', 'device', 'ip', 'country', 'card'));
UPDATE block_entries SET state = 'lifted' WHERE NOT active;
ALTER TABLE block_entries DROP COLUMN active;
COMMENT ON TABLE block_entries IS 'Block lists, line by line: what is on one answers 62 while its line is live.';
COMMENT ON COLUMN block_entries.value IS 'What is blocked, as the server compares it: a little-endian u128 (digest, address, country number, card id).';

CREATE FUNCTION changing() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('holdfast.changed_by', true), ''), session_user::text)
$$;
COMMENT ON FUNCTION changing IS 'Who makes the changes of this transaction.';

CREATE FUNCTION guard_lifecycle() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving constant text[] := '{state,label,changed_by,changed_at,version}';
    came_from text := '';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) - moving <> to_jsonb(OLD) - moving THEN
            RAISE EXCEPTION 'a % is never changed in place: retire number %, and add another', TG_ARGV[0], OLD.number;
        END IF;
        came_from := OLD.state;
    END IF;
    IF came_from <> NEW.state AND NOT EXISTS (SELECT FROM lifecycle_moves AS allowed
            WHERE allowed.kind = TG_ARGV[0] AND allowed.before = came_from AND allowed.after = NEW.state) THEN
        RAISE EXCEPTION 'a % does not go from % to %', TG_ARGV[0], coalesce(nullif(came_from, ''), 'nothing'), NEW.state;
    END IF;
    NEW.changed_by := changing();
    NEW.changed_at := clock_timestamp();
    NEW.version := pg_current_xact_id();
    RETURN NEW;
END $$;

CREATE FUNCTION record_lifecycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lifecycle_changes (kind, number, before, after, changed_by, changed_at)
    VALUES (TG_ARGV[0], NEW.number, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state ELSE '' END, NEW.state,
            NEW.changed_by, NEW.changed_at);
    RETURN NULL;
END $$;

CREATE FUNCTION intern_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT pg_advisory_xact_lock(7236) WHERE NOT EXISTS (SELECT FROM %I WHERE name = $1)', TG_ARGV[0])
        USING NEW.name;
    EXECUTE format('INSERT INTO %1$I (number, name) SELECT coalesce(max(number), 0) + 1, $1 FROM %1$I
                    HAVING NOT EXISTS (SELECT FROM %1$I WHERE name = $1)', TG_ARGV[0])
        USING NEW.name;
    RETURN NEW;
END $$;

CREATE TRIGGER limits_name BEFORE INSERT ON limits FOR EACH ROW EXECUTE FUNCTION intern_name('limit_names');
CREATE TRIGGER rules_name BEFORE INSERT ON rules FOR EACH ROW EXECUTE FUNCTION intern_name('rule_names');

DROP TRIGGER block_entries_version ON block_entries;
DO $$
DECLARE
    settings constant text[] := '{{limits,limit},{rules,rule},{block_entries,block}}';
    setting text[];
    directory_table text;
BEGIN
    FOREACH setting SLICE 1 IN ARRAY settings LOOP
        EXECUTE format('CREATE TRIGGER %1$s_guard BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION guard_lifecycle(%2$L)',
                       setting[1], setting[2]);
        EXECUTE format('CREATE TRIGGER %1$s_record AFTER INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION record_lifecycle(%2$L)',
                       setting[1], setting[2]);
    END LOOP;
    FOREACH directory_table IN ARRAY '{limits,rules,limit_names,rule_names}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_tell AFTER INSERT OR UPDATE ON %1$s FOR EACH STATEMENT EXECUTE FUNCTION tell_directory()',
                       directory_table);
        EXECUTE format('CREATE INDEX %1$s_by_version ON %1$s (version)', directory_table);
    END LOOP;
    FOREACH directory_table IN ARRAY '{limits,rules,limit_names,rule_names,lifecycle_changes}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_keep BEFORE DELETE ON %1$s FOR EACH ROW EXECUTE FUNCTION refuse_deletion()',
                       directory_table);
    END LOOP;
END $$;

-- The limits that programmes had in columns.
SELECT set_config('holdfast.changed_by', 'migration 0010', true);
INSERT INTO limits (programme, name, measure, period, ceiling)
SELECT programmes.number, former.name, former.measure, former.period, former.ceiling
FROM programmes CROSS JOIN LATERAL (VALUES
    (1, 'count_1m', 'count', '1m', velocity_counts[1]),
    (2, 'count_1h', 'count', '1h', velocity_counts[2]),
    (3, 'count_24h', 'count', '24h', velocity_counts[3]),
    (4, 'count_7d', 'count', '7d', velocity_counts[4]),
    (5, 'amount_1m', 'amount', '1m', velocity_amounts_minor[1]),
    (6, 'amount_1h', 'amount', '1h', velocity_amounts_minor[2]),
    (7, 'amount_24h', 'amount', '24h', velocity_amounts_minor[3]),
    (8, 'amount_7d', 'amount', '7d', velocity_amounts_minor[4]),
    (9, 'amount_transaction', 'amount', 'transaction', limit_transaction_minor),
    (10, 'amount_day', 'amount', 'day', limit_day_minor),
    (11, 'amount_month', 'amount', 'month', limit_month_minor)) AS former (place, name, measure, period, ceiling)
WHERE former.ceiling > 0
ORDER BY programmes.number, former.place;
SELECT set_config('holdfast.changed_by', '', true);

INSERT INTO lifecycle_changes (kind, number, before, after, changed_by, changed_at)
SELECT 'block', number, '', state, 'migration 0010', now() FROM block_entries ORDER BY number;

ALTER TABLE programmes
    DROP COLUMN limit_transaction_minor,
    DROP COLUMN limit_day_minor,
    DROP COLUMN limit_month_minor,
    DROP COLUMN velocity_counts,
    DROP COLUMN velocity_amounts_minor;

CREATE OR REPLACE FUNCTION changed_cards(since xid8) RETURNS SETOF integer LANGUAGE sql STABLE AS $$
    SELECT number FROM cards WHERE version >= since
    UNION
    SELECT card_number FROM card_controls WHERE version >= since
    UNION
    SELECT card_number FROM limits WHERE version >= since AND card_number IS NOT NULL
    UNION
    SELECT cards.number FROM cards JOIN limits ON limits.account_number = cards.account_number
    WHERE limits.version >= since
    UNION
    SELECT cards.number FROM cards JOIN accounts ON accounts.number = cards.account_number
    WHERE accounts.version >= since
    UNION
    SELECT cards.number FROM cards JOIN accounts ON accounts.number = cards.account_number
    JOIN customers ON customers.number = accounts.customer_number
    WHERE customers.version >= since
$$;
COMMENT ON FUNCTION changed_cards IS 'Cards of which the card, its controls, limits, account or customer was written at or above a version.';
