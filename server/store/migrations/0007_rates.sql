-- Exchange rates by the day of their publication.

CREATE TABLE rates (
    day        date NOT NULL,
    base       smallint NOT NULL,
    quote      smallint NOT NULL CHECK (quote <> base),
    rate       numeric(24, 12) NOT NULL CHECK (rate > 0),
    spread_bps smallint NOT NULL CHECK (spread_bps BETWEEN 0 AND 5000),
    imported   bigint NOT NULL,
    PRIMARY KEY (base, quote, day)
);
COMMENT ON TABLE rates IS 'On that day one major unit of base was worth rate major units of quote (ISO 4217 numbers).';
COMMENT ON COLUMN rates.spread_bps IS 'What a customer pays beyond it, in hundredths of a percent.';
COMMENT ON COLUMN rates.imported IS 'Number of the import that wrote it last.';

CREATE INDEX rates_by_import ON rates (imported);
CREATE SEQUENCE rate_imports;
