-- What compliance knows of customers beyond the directory. The server's own tables stay as they are: the feed doesn't
-- read these.

CREATE TABLE customer_profiles (
    customer_number integer PRIMARY KEY REFERENCES customers,
    country         text NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$'),
    industry        text NOT NULL DEFAULT '' CHECK (industry ~ '^(\d{2,6})?$'),
    details         bytea,
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE customer_profiles IS 'Geography, industry and what filings ask for.';
COMMENT ON COLUMN customer_profiles.country IS 'ISO 3166-1 alpha-2, of residence; empty = not known.';
COMMENT ON COLUMN customer_profiles.industry IS 'NAICS code; empty = not known.';
COMMENT ON COLUMN customer_profiles.details IS
    'Sealed JSON: street, city, state, postal_code, phone, occupation, tin, id_type, id_number, id_country, id_state.';
