-- name: reserve
-- Takes tokens and money out of the day's budget: a row where both had room.
INSERT INTO analyst_spending AS s (day, tokens, micro_usd, calls, changed_at)
VALUES ($1, $2, $3, 1, $6)
ON CONFLICT (day) DO UPDATE
   SET tokens = s.tokens + excluded.tokens,
       micro_usd = s.micro_usd + excluded.micro_usd,
       calls = s.calls + 1,
       changed_at = excluded.changed_at
 WHERE s.tokens + excluded.tokens <= $4 AND s.micro_usd + excluded.micro_usd <= $5
RETURNING 1;

-- name: settle
-- Puts what was spent in the place of what was reserved. Lost in a crash, more counts as spent, never less: no wait for the disk.
WITH hurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE analyst_spending
   SET tokens = greatest(tokens + $2, 0), micro_usd = greatest(micro_usd + $3, 0), changed_at = $4
  FROM hurried
 WHERE day = $1;

-- name: kept
-- An answer that is kept.
SELECT answer, tokens_in, tokens_out, cost_micro_usd FROM analyst_answers WHERE key = $1;

-- name: keep
-- Keeps an answer, in the place of an older one, and settles what it cost, as above.
WITH hurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
kept AS (
    INSERT INTO analyst_answers (key, model, prompt_version, answer, tokens_in, tokens_out, cost_micro_usd, changed_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM hurried
    ON CONFLICT (key) DO UPDATE
       SET answer = excluded.answer, tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out,
           cost_micro_usd = excluded.cost_micro_usd, changed_at = excluded.changed_at
)
UPDATE analyst_spending
   SET tokens = greatest(tokens + $10, 0), micro_usd = greatest(micro_usd + $11, 0), changed_at = $8
 WHERE day = $9;

-- name: spent
-- What was spent on a day.
SELECT tokens, micro_usd, calls FROM analyst_spending WHERE day = $1;
