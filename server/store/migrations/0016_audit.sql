-- The audit log.

CREATE TABLE audit (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor          text NOT NULL,
    role           text NOT NULL,
    action         text NOT NULL,
    resource       text NOT NULL,
    old            jsonb,
    new            jsonb,
    correlation_id text NOT NULL,
    happened_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
