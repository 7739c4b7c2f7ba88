-- Who may pay with what: programmes, customers, accounts, cards, their controls, and block lists.
--
-- The server reads these tables as a feed. Every row carries the transaction that wrote it last (`version`); a reader
-- asks for rows at or above a version and stops below the oldest transaction still running. Rows are closed, never
-- deleted: a deletion has no version. Numbers are dense from 0, given under a lock: they are positions in memory.

CREATE TABLE installation (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id              uuid NOT NULL DEFAULT gen_random_uuid(),
    pan_fingerprint text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE installation IS 'Whose database this is: one row, made at first start.';
COMMENT ON COLUMN installation.pan_fingerprint IS 'Tells which PAN key the card hashes were made with; reveals nothing of it.';

CREATE TABLE programmes (
    number                  smallint PRIMARY KEY CHECK (number >= 0),
    name                    text NOT NULL UNIQUE,
    revision                smallint NOT NULL DEFAULT 1,
    currency                smallint NOT NULL,
    country                 smallint NOT NULL,
    timezone                text NOT NULL,
    decline_threshold       double precision NOT NULL DEFAULT 0.85 CHECK (decline_threshold BETWEEN 0 AND 1),
    step_up_threshold       double precision NOT NULL DEFAULT 0.65 CHECK (step_up_threshold BETWEEN 0 AND 1),
    step_up_else_decline    boolean NOT NULL DEFAULT false,
    unscored_decline        boolean NOT NULL DEFAULT false,
    limit_transaction_minor bigint NOT NULL DEFAULT 250000 CHECK (limit_transaction_minor >= 0),
    limit_day_minor         bigint NOT NULL DEFAULT 500000 CHECK (limit_day_minor >= 0),
    limit_month_minor       bigint NOT NULL DEFAULT 2500000 CHECK (limit_month_minor >= 0),
    velocity_counts         bigint[] NOT NULL DEFAULT '{0,0,0,0}' CHECK (cardinality(velocity_counts) = 4),
    velocity_amounts_minor  bigint[] NOT NULL DEFAULT '{0,0,0,0}' CHECK (cardinality(velocity_amounts_minor) = 4),
    channels                text[] NOT NULL DEFAULT '{contactless,ecommerce,cash}'
        CHECK (channels <@ '{contactless,ecommerce,cash,international}'),
    types_never             text[] NOT NULL DEFAULT '{}',
    version                 xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE programmes IS 'What cards of one kind have in common.';
COMMENT ON COLUMN programmes.revision IS 'Counts changes of this row; decisions record it.';
COMMENT ON COLUMN programmes.currency IS 'ISO 4217 number.';
COMMENT ON COLUMN programmes.country IS 'ISO 3166-1 number: what is domestic.';
COMMENT ON COLUMN programmes.timezone IS 'IANA name: the calendar of day and month limits and of hours.';
COMMENT ON COLUMN programmes.decline_threshold IS 'A score strictly above it answers 59.';
COMMENT ON COLUMN programmes.step_up_threshold IS 'A score strictly above it answers 1A where the channel can step up.';
COMMENT ON COLUMN programmes.step_up_else_decline IS 'Where the channel can''t step up: decline (true), or approve and flag.';
COMMENT ON COLUMN programmes.unscored_decline IS 'Without a model: decline (true), or approve.';
COMMENT ON COLUMN programmes.limit_transaction_minor IS 'Minor units of the currency; 0 = off.';
COMMENT ON COLUMN programmes.limit_day_minor IS 'Minor units per calendar day; 0 = off.';
COMMENT ON COLUMN programmes.limit_month_minor IS 'Minor units per calendar month; 0 = off.';
COMMENT ON COLUMN programmes.velocity_counts IS 'Approvals in 1 minute, 1 hour, 24 hours, 7 days; 0 = off.';
COMMENT ON COLUMN programmes.velocity_amounts_minor IS 'Minor units in the same windows; 0 = off.';
COMMENT ON COLUMN programmes.channels IS 'Channels that are on unless a card says otherwise.';
COMMENT ON COLUMN programmes.types_never IS 'Transaction types that answer 57, by their names in the contract.';
COMMENT ON COLUMN programmes.version IS 'Transaction that wrote the row last; the feed reads by it.';

INSERT INTO programmes (number, name, currency, country, timezone)
VALUES (0, 'standard', 840, 840, 'America/New_York');

CREATE TABLE customers (
    number              integer PRIMARY KEY CHECK (number >= 0),
    given_name          bytea NOT NULL,
    family_name         bytea NOT NULL,
    birth_date          bytea,
    ssn_hash            bytea UNIQUE CHECK (octet_length(ssn_hash) = 32),
    ssn_last_four       bytea,
    kyc_state           text NOT NULL DEFAULT 'pending' CHECK (kyc_state IN ('pending', 'verified', 'failed')),
    risk_rating         text NOT NULL DEFAULT 'low' CHECK (risk_rating IN ('low', 'medium', 'high')),
    politically_exposed boolean NOT NULL DEFAULT false,
    compliance_block    boolean NOT NULL DEFAULT false,
    home_latitude_deg   double precision CHECK (home_latitude_deg BETWEEN -90 AND 90),
    home_longitude_deg  double precision CHECK (home_longitude_deg BETWEEN -180 AND 180),
    created_at          timestamptz NOT NULL DEFAULT now(),
    version             xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE customers IS 'People who hold accounts.';
COMMENT ON COLUMN customers.given_name IS 'Sealed: AES-256-GCM under a key outside this database.';
COMMENT ON COLUMN customers.family_name IS 'Sealed.';
COMMENT ON COLUMN customers.birth_date IS 'Sealed, YYYY-MM-DD; null = not given.';
COMMENT ON COLUMN customers.ssn_hash IS 'HMAC-SHA-256 of the nine digits under a key outside this database; null = not given.';
COMMENT ON COLUMN customers.ssn_last_four IS 'Sealed; null = not given.';
COMMENT ON COLUMN customers.kyc_state IS 'Identification: pending until verified or failed.';
COMMENT ON COLUMN customers.compliance_block IS 'Sanctions or compliance: every card of the customer answers 59.';
COMMENT ON COLUMN customers.home_latitude_deg IS 'Degrees; null = unknown.';
COMMENT ON COLUMN customers.home_longitude_deg IS 'Degrees; null = unknown.';

CREATE TABLE accounts (
    number             integer PRIMARY KEY CHECK (number >= 0),
    customer_number    integer NOT NULL REFERENCES customers,
    account_number     bytea NOT NULL,
    account_last_four  bytea NOT NULL,
    currency           smallint NOT NULL,
    opening_minor      bigint NOT NULL DEFAULT 0 CHECK (opening_minor >= 0),
    state              text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    created_at         timestamptz NOT NULL DEFAULT now(),
    version            xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE accounts IS 'Where a card''s money is. Balances are in the ledger, under this number.';
COMMENT ON COLUMN accounts.account_number IS 'Sealed.';
COMMENT ON COLUMN accounts.account_last_four IS 'Sealed.';
COMMENT ON COLUMN accounts.currency IS 'ISO 4217 number.';
COMMENT ON COLUMN accounts.opening_minor IS 'Minor units deposited once, when the ledger first sees the account.';

CREATE TABLE cards (
    number         integer PRIMARY KEY CHECK (number >= 0),
    id             uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    account_number integer NOT NULL REFERENCES accounts,
    programme      smallint NOT NULL REFERENCES programmes,
    pan_hash       bytea NOT NULL UNIQUE CHECK (octet_length(pan_hash) = 16),
    bin            text NOT NULL CHECK (bin ~ '^\d{6}(\d\d)?$'),
    last_four      bytea NOT NULL,
    expiry_yymm    smallint NOT NULL CHECK (expiry_yymm BETWEEN 1 AND 9912 AND expiry_yymm % 100 BETWEEN 1 AND 12),
    state          text NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'inactive', 'frozen', 'lost', 'stolen', 'closed')),
    single_use     boolean NOT NULL DEFAULT false,
    pin_blocked    boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    version        xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE cards IS 'Issued cards. A PAN is known by its keyed hash alone.';
COMMENT ON COLUMN cards.number IS 'The card''s row in the server''s memory.';
COMMENT ON COLUMN cards.id IS 'Its token is card_ and these 32 hex digits.';
COMMENT ON COLUMN cards.pan_hash IS 'First 16 bytes of HMAC-SHA-256 of the PAN under a key outside this database.';
COMMENT ON COLUMN cards.bin IS 'First six or eight digits of the PAN.';
COMMENT ON COLUMN cards.last_four IS 'Sealed.';
COMMENT ON COLUMN cards.expiry_yymm IS 'Good through the end of this month.';
COMMENT ON COLUMN cards.single_use IS 'One approval, then no more.';
COMMENT ON COLUMN cards.pin_blocked IS 'PIN tries are used up.';

CREATE TABLE card_controls (
    card_number        integer PRIMARY KEY REFERENCES cards,
    channels_on        text[] NOT NULL DEFAULT '{}'
        CHECK (channels_on <@ '{contactless,ecommerce,cash,international}'),
    channels_off       text[] NOT NULL DEFAULT '{}'
        CHECK (channels_off <@ '{contactless,ecommerce,cash,international}'),
    categories_allowed smallint[],
    categories_blocked smallint[] NOT NULL DEFAULT '{}',
    countries_allowed  smallint[],
    countries_blocked  smallint[] NOT NULL DEFAULT '{}',
    hours_allowed      integer NOT NULL DEFAULT 16777215 CHECK (hours_allowed BETWEEN 0 AND 16777215),
    merchants_allowed  bigint[],
    types_never        text[] NOT NULL DEFAULT '{}',
    version            xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE card_controls IS 'What a card''s holder or issuer set beyond its programme. Null = not restricted by this control.';
COMMENT ON COLUMN card_controls.channels_on IS 'Switched on against the programme.';
COMMENT ON COLUMN card_controls.channels_off IS 'Switched off against the programme.';
COMMENT ON COLUMN card_controls.categories_allowed IS 'Merchant category codes.';
COMMENT ON COLUMN card_controls.countries_allowed IS 'ISO 3166-1 numbers.';
COMMENT ON COLUMN card_controls.hours_allowed IS 'Bit h: hour h of the programme''s day.';
COMMENT ON COLUMN card_controls.merchants_allowed IS 'Digests of acquirer and merchant id, as signed 64-bit numbers: a merchant lock.';
COMMENT ON COLUMN card_controls.types_never IS 'Transaction types that answer 57, by their names in the contract.';

CREATE TABLE block_entries (
    kind       text NOT NULL CHECK (kind IN ('merchant', 'device', 'ip', 'country')),
    value      bytea NOT NULL CHECK (octet_length(value) = 16),
    label      text NOT NULL DEFAULT '',
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    version    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (kind, value)
);
COMMENT ON TABLE block_entries IS 'Block lists: a line that is not active was lifted.';
COMMENT ON COLUMN block_entries.value IS 'What is blocked, as requests carry it: a little-endian u128 (digest, address, or country number).';
COMMENT ON COLUMN block_entries.label IS 'For people.';

CREATE FUNCTION refresh_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := pg_current_xact_id();
    RETURN NEW;
END $$;

CREATE FUNCTION refresh_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;

CREATE FUNCTION tell_directory() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY holdfast_directory;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are closed, never deleted: the server could not see it', TG_TABLE_NAME;
END $$;

CREATE TRIGGER programmes_revision BEFORE UPDATE ON programmes FOR EACH ROW EXECUTE FUNCTION refresh_revision();

DO $$
DECLARE
    directory_table text;
BEGIN
    FOREACH directory_table IN ARRAY
        ARRAY['programmes', 'customers', 'accounts', 'cards', 'card_controls', 'block_entries']
    LOOP
        EXECUTE format('CREATE TRIGGER %1$s_version BEFORE UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION refresh_version()',
                       directory_table);
        EXECUTE format('CREATE TRIGGER %1$s_tell AFTER INSERT OR UPDATE ON %1$s FOR EACH STATEMENT EXECUTE FUNCTION tell_directory()',
                       directory_table);
        EXECUTE format('CREATE TRIGGER %1$s_keep BEFORE DELETE ON %1$s FOR EACH ROW EXECUTE FUNCTION refuse_deletion()',
                       directory_table);
        EXECUTE format('CREATE INDEX %1$s_by_version ON %1$s (version)', directory_table);
    END LOOP;
END $$;

CREATE INDEX accounts_by_customer ON accounts (customer_number);
CREATE INDEX cards_by_account ON cards (account_number);

-- The columns and codes here are those of CARD, CardState, AccountState and CardFlag in server/core/directory.py.
CREATE VIEW directory_cards AS
SELECT cards.number,
       cards.account_number,
       cards.pan_hash,
       cards.id,
       coalesce(customers.home_latitude_deg, 'NaN')::real AS home_latitude_deg,
       coalesce(customers.home_longitude_deg, 'NaN')::real AS home_longitude_deg,
       cards.programme,
       cards.expiry_yymm,
       (array_position('{active,inactive,frozen,lost,stolen,closed}', cards.state) - 1)::smallint AS state,
       (array_position('{open,closed}', accounts.state) - 1)::smallint AS account_state,
       (cards.single_use::integer
           + 2 * customers.compliance_block::integer
           + 4 * (customers.kyc_state <> 'verified')::integer
           + 8 * customers.politically_exposed::integer
           + 16 * cards.pin_blocked::integer)::smallint AS flags
FROM cards
JOIN accounts ON accounts.number = cards.account_number
JOIN customers ON customers.number = accounts.customer_number;
COMMENT ON VIEW directory_cards IS 'Cards as the server keeps them in memory: codes instead of words, no nulls.';
