-- What messages about authorizations did: increments, reversals, advices, clearings, expiries.

ALTER TABLE authorizations
    ADD COLUMN released_minor  bigint NOT NULL DEFAULT 0,
    ADD COLUMN overdrawn_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN part_minor      bigint NOT NULL DEFAULT 0,
    ADD COLUMN owed_minor      bigint NOT NULL DEFAULT 0,
    ADD COLUMN chain           smallint NOT NULL DEFAULT 0,
    ADD COLUMN credit          boolean NOT NULL DEFAULT false;

COMMENT ON TABLE authorizations IS 'Every decision: of authorizations and of messages about them.';
COMMENT ON COLUMN authorizations.operation IS '1 authorize, 2 reverse, 3 increment, 4 advise, 5 clear, 6 expire.';
COMMENT ON COLUMN authorizations.original_id IS 'Of a message about an authorization: which.';
COMMENT ON COLUMN authorizations.approved_minor IS 'Held; of a reversal or expiry released, of a clearing posted. Minor units of billing_currency.';
COMMENT ON COLUMN authorizations.released_minor IS 'Let go by a clearing.';
COMMENT ON COLUMN authorizations.overdrawn_minor IS 'Owed by the cardholder: what went beyond the balance.';
COMMENT ON COLUMN authorizations.part_minor IS 'Left pending in the ledger by this message, on the cardholder''s account.';
COMMENT ON COLUMN authorizations.owed_minor IS 'Left pending in the ledger by this message, on what the cardholder owes.';
COMMENT ON COLUMN authorizations.chain IS 'What it did to the parts of the hold: 0 nothing, 1 added its own, 2 replaced them.';
COMMENT ON COLUMN authorizations.credit IS 'Of a clearing: money came in.';

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

-- Decisions of before hold the whole approved amount as their one part.
UPDATE authorizations SET part_minor = approved_minor, chain = 1 WHERE operation = 1 AND held;
UPDATE authorizations SET chain = 2 WHERE operation = 2 AND NOT held;
