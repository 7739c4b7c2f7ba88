-- What compliance did, day by day: for people, made anew beside the work and never in its way.
--
-- Nothing of filings is in it: that there is a report of suspicious activity is for compliance roles alone
-- (31 CFR 1020.320(e)).

CREATE MATERIALIZED VIEW daily_summary AS
SELECT (flagged.flagged_at AT TIME ZONE 'UTC')::date AS day,
       flagged.source,
       flagged.kind,
       coalesce(newest.tier, '') AS tier,
       coalesce(newest.origin, '') AS origin,
       coalesce(cases.disposition, '') AS disposition,
       count(*) AS flagged,
       count(newest.id) AS reviewed,
       count(*) FILTER (WHERE flagged.state = 'parked') AS parked,
       count(*) FILTER (WHERE newest.hits > 0) AS with_hits,
       count(*) FILTER (WHERE newest.matched) AS matched,
       count(cases.id) AS cases,
       count(cases.id) FILTER (WHERE cases.decided_at IS NULL) AS cases_undecided,
       coalesce(sum(flagged.usd_minor), 0)::bigint AS usd_minor,
       avg(extract(epoch FROM newest.reviewed_at - flagged.flagged_at))::double precision AS review_s_mean
FROM flagged
LEFT JOIN LATERAL (
    SELECT reviews.id, tier, origin, hits, matched, reviewed_at FROM reviews
    WHERE reviews.flagged_id = flagged.id AND NOT temporary
    ORDER BY reviewed_at DESC LIMIT 1) AS newest ON true
LEFT JOIN cases ON cases.flagged_id = flagged.id
GROUP BY 1, 2, 3, 4, 5, 6
WITH NO DATA;
COMMENT ON MATERIALIZED VIEW daily_summary IS 'Flagged, reviewed and decided, by the day (UTC) on which it was flagged.';
COMMENT ON COLUMN daily_summary.tier IS 'Of the newest review; empty = none yet.';
COMMENT ON COLUMN daily_summary.disposition IS 'Of the case: cleared, suspicious, true_match; empty = not decided.';
COMMENT ON COLUMN daily_summary.usd_minor IS 'US cents, where a rate was known.';
COMMENT ON COLUMN daily_summary.review_s_mean IS 'Seconds from being flagged to the newest review.';

CREATE UNIQUE INDEX daily_summary_by_day ON daily_summary (day, source, kind, tier, origin, disposition);
REFRESH MATERIALIZED VIEW daily_summary;
