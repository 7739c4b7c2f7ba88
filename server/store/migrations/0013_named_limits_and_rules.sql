-- Decisions name the limits that were passed and the rules that were hit, each by the number of its name.

CREATE FUNCTION limits_of_flags(flags smallint) RETURNS smallint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg((bit + 1)::smallint ORDER BY bit), '{}')
    FROM generate_series(0, 10) AS bit WHERE flags >> bit & 1 = 1
$$;

ALTER TABLE authorizations ALTER COLUMN velocity_flags TYPE smallint[] USING limits_of_flags(velocity_flags);
ALTER TABLE authorizations RENAME COLUMN velocity_flags TO limits_passed;
ALTER TABLE authorizations
    ADD COLUMN rules_hit smallint[] NOT NULL DEFAULT '{}',
    ADD COLUMN rules_shadowed smallint[] NOT NULL DEFAULT '{}',
    ADD COLUMN limit_set integer NOT NULL DEFAULT 0;
DROP FUNCTION limits_of_flags;

COMMENT ON COLUMN authorizations.limits_passed IS 'Names of the live limits it passed: limit_names.number; 0 fills up.';
COMMENT ON COLUMN authorizations.rules_hit IS 'Names of the live rules it hit: rule_names.number; 0 fills up.';
COMMENT ON COLUMN authorizations.rules_shadowed IS 'Likewise of rules that only decide on paper.';
COMMENT ON COLUMN authorizations.limit_set IS 'Row of the core''s table of limits that it was judged by.';
