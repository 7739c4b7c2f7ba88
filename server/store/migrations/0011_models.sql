-- Models: which versions there are, what each is for, who moved it there, and what shadows said of the same traffic.

CREATE TABLE models (
    version         text PRIMARY KEY CHECK (octet_length(version) BETWEEN 1 AND 24),
    state           text NOT NULL DEFAULT 'candidate' CHECK (state IN ('candidate', 'shadow', 'champion', 'retired')),
    share           integer NOT NULL DEFAULT 0 CHECK (share BETWEEN 0 AND 10000),
    replaced        text REFERENCES models CHECK (replaced <> version),
    sha256          text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    manifest        json NOT NULL,
    proposed        text CHECK (proposed IN ('promote', 'challenge')),
    proposed_share  integer CHECK (proposed_share BETWEEN 1 AND 10000),
    proposed_by     text,
    proposed_at     timestamptz,
    floor_recall    double precision CHECK (floor_recall > 0 AND floor_recall <= 1),
    floor_fpr       double precision NOT NULL DEFAULT 0.01 CHECK (floor_fpr > 0 AND floor_fpr < 1),
    floor_days      integer NOT NULL DEFAULT 28 CHECK (floor_days BETWEEN 1 AND 366),
    floor_frauds    integer NOT NULL DEFAULT 50 CHECK (floor_frauds >= 1),
    approval_rate   double precision CHECK (approval_rate BETWEEN 0 AND 1),
    champion_since  timestamptz,
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (share = 0 OR state = 'shadow'),
    CHECK (proposed IS NULL OR state = 'shadow'),
    CHECK (num_nulls(proposed, proposed_by, proposed_at) IN (0, 3)),
    CHECK ((proposed_share IS NOT NULL) = (proposed IS NOT DISTINCT FROM 'challenge')),
    CHECK (state <> 'champion' OR champion_since IS NOT NULL)
);
COMMENT ON TABLE models IS 'Versions of the fraud model. Their files lie in HOLDFAST_HOME/models.';
COMMENT ON COLUMN models.share IS 'Of a shadow that decides as challenger: for so many of ten thousand cards.';
COMMENT ON COLUMN models.replaced IS 'The champion before it: where a rollback goes.';
COMMENT ON COLUMN models.sha256 IS 'Of the names and contents of its files; others are refused.';
COMMENT ON COLUMN models.proposed IS 'What one person wants and another may approve.';
COMMENT ON COLUMN models.floor_recall IS 'A champion that finds less of the fraud rolls back; null = no floor.';
COMMENT ON COLUMN models.floor_fpr IS 'The share of genuine traffic that may score as high as what counts as found.';
COMMENT ON COLUMN models.floor_days IS 'Labels received in so many days count.';
COMMENT ON COLUMN models.floor_frauds IS 'Fewer frauds among them say nothing.';
COMMENT ON COLUMN models.approval_rate IS 'Share of its first authorizations that were approved: what drift is measured from.';
COMMENT ON COLUMN models.champion_since IS 'When it became champion last.';

CREATE UNIQUE INDEX models_one_champion ON models ((true)) WHERE state = 'champion';
CREATE UNIQUE INDEX models_one_challenger ON models ((true)) WHERE share > 0;

CREATE TABLE model_changes (
    number      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    version     text NOT NULL REFERENCES models,
    action      text NOT NULL,
    from_state  text,
    to_state    text NOT NULL,
    share       integer NOT NULL,
    who         text NOT NULL CHECK (who <> ''),
    proposed_by text,
    why         text NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (action NOT IN ('promote', 'challenge') OR share = 0 AND action = 'challenge'
           OR (proposed_by IS NOT NULL AND lower(proposed_by) <> lower(who)))
);
COMMENT ON TABLE model_changes IS 'Everything done to a version, by whom and why; never changed.';
COMMENT ON COLUMN model_changes.proposed_by IS 'Who wanted what `who` approved: two different people.';
CREATE INDEX model_changes_by_version ON model_changes (version, number);

CREATE TABLE shadow_scores (
    scored_at        timestamptz NOT NULL,
    authorization_id uuid NOT NULL,
    score            real NOT NULL,
    decided_score    real,
    version          text NOT NULL,
    decided_by       text NOT NULL
);
COMMENT ON TABLE shadow_scores IS 'What a shadow says of an authorization, beside the score that decided it. Kept for a quarter.';
COMMENT ON COLUMN shadow_scores.decided_score IS 'Null = unscored.';
COMMENT ON COLUMN shadow_scores.decided_by IS 'The version that decided; empty = none.';
CREATE INDEX shadow_scores_by_version ON shadow_scores (version, scored_at);

CREATE FUNCTION tell_models() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY holdfast_models;
    RETURN NULL;
END $$;
CREATE TRIGGER models_tell AFTER INSERT OR UPDATE ON models FOR EACH STATEMENT EXECUTE FUNCTION tell_models();
CREATE TRIGGER models_keep BEFORE DELETE ON models FOR EACH ROW EXECUTE FUNCTION refuse_deletion();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % say what happened: they are never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER model_changes_keep BEFORE UPDATE OR DELETE ON model_changes FOR EACH ROW EXECUTE FUNCTION refuse_change();
