-- Decisions name the limits that were passed and the rules that were hit, each by the number of its name.

CREATE FUNCTION limits_of_flags(flags smallint) RETURNS smallint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg((bit + 1)::smallint ORDER BY bit), '{}')
    FROM generate_series(0, 10) AS bit WHERE flags >> bit & 1 = 1
$$;

DROP VIEW authorization_standings;
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

CREATE VIEW authorization_standings AS
SELECT coalesce(original_id, authorization_id) AS authorization_id,
       coalesce(sum(part_minor + owed_minor) FILTER (WHERE stands), 0)::bigint AS pending_minor,
       coalesce(sum((part_minor > 0)::integer + (owed_minor > 0)::integer) FILTER (WHERE stands), 0)::bigint AS holds,
       coalesce(sum(CASE WHEN credit THEN -approved_minor ELSE approved_minor END)
                    FILTER (WHERE operation = 5 AND response_code = '00'), 0)::bigint AS settled_minor
FROM (SELECT *,
             chain > 0 AND sequence >= coalesce(max(sequence) FILTER (WHERE chain = 2)
                 OVER (PARTITION BY coalesce(original_id, authorization_id)), 0) AS stands
      FROM authorizations) AS decided
GROUP BY coalesce(original_id, authorization_id);
COMMENT ON VIEW authorization_standings IS 'What should be held and settled in the ledger for each authorization.';
