-- What the analyst asked and spent.

CREATE TABLE analyst_answers (
    key            bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    model          text NOT NULL,
    prompt_version text NOT NULL,
    answer         text NOT NULL,
    tokens_in      integer NOT NULL,
    tokens_out     integer NOT NULL,
    cost_micro_usd bigint NOT NULL,
    changed_by     text NOT NULL DEFAULT 'worker',
    changed_at     timestamptz NOT NULL
);
CREATE INDEX analyst_answers_by_age ON analyst_answers (changed_at);
COMMENT ON TABLE analyst_answers IS 'Models'' answers by what was asked: pseudonyms only, unchecked.';
COMMENT ON COLUMN analyst_answers.key IS 'SHA-256 of endpoint, model, prompt version and the pseudonymised input.';

CREATE TABLE analyst_spending (
    day        date PRIMARY KEY,
    tokens     bigint NOT NULL,
    micro_usd  bigint NOT NULL,
    calls      integer NOT NULL,
    changed_by text NOT NULL DEFAULT 'worker',
    changed_at timestamptz NOT NULL
);
COMMENT ON TABLE analyst_spending IS 'What was spent on a day (UTC), with what is reserved for requests under way.';
