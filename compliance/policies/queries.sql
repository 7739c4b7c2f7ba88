-- name: state
-- What the library holds, as one text: another text, another library.
SELECT concat_ws('/', count(*), max(imported_at), count(withdrawn_at), max(withdrawn_at), sum(hashtext(coalesce(until::text, '')))) FROM policy_documents;

-- name: lock
-- One import or withdrawal at a time.
SELECT pg_advisory_xact_lock(0x706f6c69);

-- name: edition
-- The edition with this content, if it was ever imported.
SELECT id, effective, until, withdrawn_on, shipped FROM policy_documents WHERE name = $1 AND digest = $2;

-- name: shipped_and_withdrawn
-- Whether what came with us under this name was withdrawn: a newer text of ours does not bring it back.
SELECT EXISTS (SELECT FROM policy_documents WHERE name = $1 AND shipped AND withdrawn_on IS NOT NULL);

-- name: add_document
-- A new edition.
INSERT INTO policy_documents (name, title, kind, jurisdiction, effective, digest, shipped, imported_by, imported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id;

-- name: add_passages
-- The passages of an edition, in order.
INSERT INTO policy_passages (document_id, place, citation, section, heading, context, body)
SELECT $1, place, citation, section, heading, context, body
FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS t (place, citation, section, heading, context, body)
ORDER BY place;

-- name: index_passages
-- The words of an edition; "10,000" and "10000" are one.
INSERT INTO policy_terms (lexeme, passage, heading, body)
SELECT lexeme, number, sum(in_heading), sum(in_body)
FROM (
    SELECT p.number, t.lexeme, cardinality(t.positions) AS in_heading, 0 AS in_body
    FROM policy_passages p, unnest(to_tsvector('english', regexp_replace(p.citation || ' ' || p.heading, '(\d),(\d)', '\1\2', 'g'))) t
    WHERE p.document_id = $1
    UNION ALL
    SELECT p.number, t.lexeme, 0, cardinality(t.positions)
    FROM policy_passages p, unnest(to_tsvector('english', regexp_replace(p.context || ' ' || p.body, '(\d),(\d)', '\1\2', 'g'))) t
    WHERE p.document_id = $1
) AS words
GROUP BY lexeme, number;

-- name: weigh_index
-- How common each word is, so that a search is planned by the index from the first question on.
ANALYZE policy_documents, policy_passages, policy_terms;

-- name: order_editions
-- Each edition of a name ends where the next begins; one without a date begins when it was imported, unless it is the first.
UPDATE policy_documents d SET since = o.begins, until = o.until
FROM (
    SELECT id, begins, lead(begins) OVER (ORDER BY begins, number) AS until
    FROM (
        SELECT id, number, coalesce(effective, CASE
            WHEN number > min(number) OVER () THEN (imported_at AT TIME ZONE 'UTC')::date
            ELSE '-infinity'::date END) AS begins
        FROM policy_documents WHERE name = $1
    ) AS dated
) AS o
WHERE d.id = o.id AND (d.since, d.until) IS DISTINCT FROM (o.begins, o.until);

-- name: withdraw
-- Editions of this name, out of force from a day on.
UPDATE policy_documents SET withdrawn_on = $2, withdrawn_by = $3, withdrawn_at = $4
WHERE name = $1 AND withdrawn_on IS NULL
RETURNING id;

-- name: restore
-- An edition that was withdrawn, in force again.
UPDATE policy_documents SET withdrawn_on = NULL, withdrawn_by = $2, withdrawn_at = $3 WHERE id = $1;

-- name: documents
-- All editions, with how many passages each has.
SELECT d.name, d.title, d.kind, d.jurisdiction, d.effective, d.until, d.withdrawn_on, d.shipped, d.imported_by, d.imported_at,
    (SELECT count(*) FROM policy_passages p WHERE p.document_id = d.id) AS passages
FROM policy_documents d
ORDER BY d.name, d.effective DESC NULLS LAST, d.number DESC;

-- name: search
-- Passages in force by the question's words and, with less weight, by words that mean the same: BM25, a heading's word counting three times.
WITH asked AS (
    SELECT lexeme, max(weight) AS weight
    FROM (
        SELECT lexeme, 1.0::float8 AS weight FROM unnest(to_tsvector('english', $1))
        UNION ALL
        SELECT lexeme, 0.45 FROM unnest(to_tsvector('english', $2))
    ) AS words
    GROUP BY lexeme
), shelf AS MATERIALIZED (
    SELECT p.number, p.section, p.heading, d.kind, octet_length(p.body)::float8 AS length
    FROM policy_passages p JOIN policy_documents d ON d.id = p.document_id
    WHERE policy_in_force(d, coalesce($3::date, CURRENT_DATE))
        AND ($4::text IS NULL OR lower(d.name) = lower($4) OR d.kind = $4)
        AND ($5::text IS NULL OR lower(d.jurisdiction) = lower($5))
), whole AS (
    SELECT count(*)::float8 AS passages, avg(length) AS length FROM shelf
), met AS (
    SELECT t.passage, s.section, s.heading AS title, s.kind, a.weight, (3 * t.heading + t.body)::float8 AS frequency, s.length,
        (count(*) OVER (PARTITION BY t.lexeme))::float8 AS passages
    FROM asked a JOIN policy_terms t USING (lexeme) JOIN shelf s ON s.number = t.passage
)
SELECT m.passage, m.section, m.title, m.kind, sum(
    m.weight * ln(1::float8 + (w.passages - m.passages + 0.5::float8) / (m.passages + 0.5::float8))
    * m.frequency / (m.frequency + 1.2::float8 * (0.4::float8 + 0.6::float8 * m.length / w.length))
) AS score
FROM met m, whole w
GROUP BY m.passage, m.section, m.title, m.kind
ORDER BY score DESC, m.passage
LIMIT $6;

-- name: passages
-- Passages by their numbers.
SELECT p.number, p.citation, p.section, p.heading, p.context, p.body, d.name, d.kind, d.effective, d.jurisdiction
FROM policy_passages p JOIN policy_documents d ON d.id = p.document_id
WHERE p.number = ANY($1::bigint[]);

-- name: of_kind
-- The document of this kind that is in force: the bank's own before the one that came with Holdfast, the newest first.
SELECT d.name
FROM policy_documents d
WHERE d.kind = $1
    AND policy_in_force(d, $2)
ORDER BY d.shipped, d.effective DESC NULLS LAST, d.number DESC
LIMIT 1;

-- name: first_passage
-- The first passage of a document that is in force.
SELECT p.number
FROM policy_passages p JOIN policy_documents d ON d.id = p.document_id
WHERE d.name = $1
    AND policy_in_force(d, $2)
ORDER BY p.place
LIMIT 1;

-- name: cited
-- Passages in force of the sections named, in order: what `show` prints, and what rules cite.
SELECT p.number, p.citation, p.section, p.body
FROM policy_passages p JOIN policy_documents d ON d.id = p.document_id
WHERE p.section = ANY($1::text[])
    AND policy_in_force(d, coalesce($2::date, CURRENT_DATE))
ORDER BY d.kind = 'interpretation', d.name, p.place;

-- name: of_document
-- All passages of a document's edition in force.
SELECT p.number
FROM policy_passages p JOIN policy_documents d ON d.id = p.document_id
WHERE lower(d.name) = lower($1)
    AND policy_in_force(d, coalesce($2::date, CURRENT_DATE))
ORDER BY d.name, p.place;

-- name: prepare_vectors
-- Room for embeddings where pgvector can be had; where it can't, full text does alone.
DO $$
BEGIN
    IF to_regclass('policy_vectors') IS NULL THEN
        CREATE EXTENSION IF NOT EXISTS vector;
        CREATE TABLE policy_vectors (
            passage   bigint NOT NULL REFERENCES policy_passages,
            model     text NOT NULL,
            embedding vector NOT NULL,
            PRIMARY KEY (model, passage)
        );
        ALTER TABLE policy_vectors ALTER COLUMN embedding SET STORAGE MAIN;  -- beside its row: read three times as fast
    END IF;
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
        RAISE DEBUG 'policies: no pgvector: %', SQLERRM;
END
$$;

-- name: has_vectors
-- Whether there is room for embeddings.
SELECT to_regclass('policy_vectors') IS NOT NULL;

-- name: without_vector
-- Passages that this model has not embedded yet.
SELECT p.number, concat_ws(E'\n', p.heading, p.context, p.body) AS text
FROM policy_passages p
WHERE NOT EXISTS (SELECT FROM policy_vectors v WHERE v.model = $1 AND v.passage = p.number)
ORDER BY p.number
LIMIT $2;

-- name: count_without_vector
-- How many passages this model has not embedded yet.
SELECT count(*) FROM policy_passages p
WHERE NOT EXISTS (SELECT FROM policy_vectors v WHERE v.model = $1 AND v.passage = p.number);

-- name: add_vectors
-- Embeddings as a model made them.
INSERT INTO policy_vectors (passage, model, embedding)
SELECT passage, $2, embedding::vector FROM unnest($1::bigint[], $3::text[]) AS t (passage, embedding)
ON CONFLICT DO NOTHING;

-- name: nearest
-- Passages in force whose embedding is nearest to the question's: exact, for there are thousands and not millions.
WITH asked AS MATERIALIZED (SELECT $2::text::vector AS embedding)  -- read once, not for each passage
SELECT v.passage, p.section, p.heading AS title, d.kind
FROM asked, policy_vectors v JOIN policy_passages p ON p.number = v.passage JOIN policy_documents d ON d.id = p.document_id
WHERE v.model = $1
    AND policy_in_force(d, coalesce($3::date, CURRENT_DATE))
    AND ($4::text IS NULL OR lower(d.name) = lower($4) OR d.kind = $4)
    AND ($5::text IS NULL OR lower(d.jurisdiction) = lower($5))
ORDER BY v.embedding <=> asked.embedding, v.passage
LIMIT $6;
