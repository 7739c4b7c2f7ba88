-- name: schema
-- Cards, their accounts, and what was answered.
CREATE TABLE accounts (
  id bigint PRIMARY KEY,
  balance_minor bigint NOT NULL,
  held_minor bigint NOT NULL DEFAULT 0
);
CREATE TABLE cards (
  pan_hash bytea PRIMARY KEY,
  account_id bigint NOT NULL REFERENCES accounts (id),
  expiry_yymm integer NOT NULL
);
CREATE TABLE authorizations (
  id uuid PRIMARY KEY,
  message_key text NOT NULL UNIQUE,
  account_id bigint NOT NULL,
  amount_minor bigint NOT NULL,
  response_code text NOT NULL,
  answer bytea NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now()
);

-- name: lock_account
-- The account of a card, for this transaction alone.
SELECT accounts.id, balance_minor, held_minor, expiry_yymm
FROM cards JOIN accounts ON accounts.id = cards.account_id
WHERE pan_hash = $1
FOR UPDATE OF accounts

-- name: hold
-- Money that is promised.
UPDATE accounts SET held_minor = held_minor + $2 WHERE id = $1

-- name: enter
-- The answer, by its message's key; nothing where the key is known.
INSERT INTO authorizations (id, message_key, account_id, amount_minor, response_code, answer)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (message_key) DO NOTHING
RETURNING id

-- name: known
-- The first answer to a key.
SELECT answer FROM authorizations WHERE message_key = $1
