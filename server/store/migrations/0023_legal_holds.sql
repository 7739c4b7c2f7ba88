-- Legal hold: what must stay, whatever its age, until somebody lifts the hold.

CREATE TABLE legal_holds (
    id          uuid PRIMARY KEY,
    scope       text NOT NULL CHECK (scope IN ('customer', 'case', 'transfer', 'authorization')),
    reference   text NOT NULL,
    reason      text NOT NULL CHECK (reason <> ''),
    until       timestamptz,
    placed_by   text NOT NULL,
    placed_at   timestamptz NOT NULL,
    lifted_by   text NOT NULL DEFAULT '',
    lifted_at   timestamptz,
    lift_reason text NOT NULL DEFAULT '',
    CHECK ((lifted_at IS NULL) = (lifted_by = '')),
    CHECK (until IS NULL OR until > placed_at)
);
COMMENT ON TABLE legal_holds IS 'What retention leaves alone, who said so and why.';
COMMENT ON COLUMN legal_holds.reference IS 'Of a customer its number; else the id, 32 hexadecimal digits.';
COMMENT ON COLUMN legal_holds.reason IS 'Such as the number of a subpoena; without personal data.';
COMMENT ON COLUMN legal_holds.until IS 'Ends by itself then; null = when it is lifted.';
CREATE UNIQUE INDEX legal_holds_standing ON legal_holds (scope, reference) WHERE lifted_at IS NULL;

CREATE FUNCTION guard_legal_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.lifted_at IS NOT NULL
        OR (NEW.id, NEW.scope, NEW.reference, NEW.reason, NEW.until, NEW.placed_by, NEW.placed_at)
            IS DISTINCT FROM (OLD.id, OLD.scope, OLD.reference, OLD.reason, OLD.until, OLD.placed_by, OLD.placed_at) THEN
        RAISE EXCEPTION 'a legal hold is lifted once, and never changed or deleted';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER legal_holds_stay BEFORE UPDATE OR DELETE ON legal_holds FOR EACH ROW EXECUTE FUNCTION guard_legal_hold();

CREATE FUNCTION held_customers(at timestamptz) RETURNS SETOF integer LANGUAGE sql STABLE AS $$
    SELECT reference::integer FROM legal_holds
    WHERE scope = 'customer' AND lifted_at IS NULL AND (until IS NULL OR until > at)
$$;
COMMENT ON FUNCTION held_customers IS 'Customers under legal hold.';

CREATE FUNCTION held_ids(at timestamptz) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH held AS (
        SELECT reference::uuid AS id FROM legal_holds
        WHERE scope <> 'customer' AND lifted_at IS NULL AND (until IS NULL OR until > at)
    )
    SELECT id FROM held
    UNION
    SELECT touched.id FROM held JOIN cases ON cases.id = held.id
    CROSS JOIN LATERAL unnest(ARRAY[cases.source_id, cases.flagged_id]) AS touched (id)
    WHERE touched.id IS NOT NULL
$$;
COMMENT ON FUNCTION held_ids IS 'Transfers, authorizations and cases under legal hold, and what held cases are about.';

CREATE FUNCTION held_source(at timestamptz, source_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT source_id IN (SELECT held_ids(at))
        OR EXISTS (
            SELECT FROM transfers JOIN accounts ON accounts.number IN (transfers.account_number, transfers.payee_account)
            WHERE transfers.id = source_id AND accounts.customer_number IN (SELECT held_customers(at)))
        OR EXISTS (
            SELECT FROM authorizations JOIN accounts ON accounts.number = authorizations.account_number
            WHERE authorizations.authorization_id = source_id
                AND accounts.customer_number IN (SELECT held_customers(at)))
$$;
COMMENT ON FUNCTION held_source IS 'Whether a transfer or an authorization is under legal hold: itself, by its case, or by a customer.';
