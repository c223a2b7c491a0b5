-- royalty_summary: the latest treatments by policy and royalty class: tracks, and their streams in the latest month.
-- weighted_streams: streams times stream_weight of the tracks that are eligible. Thresholds on streams are not applied.
CREATE OR REPLACE VIEW royalty_summary AS
WITH latest_run AS (
    SELECT MAX(run_date) AS run_date FROM royalty_treatments
),
latest_month AS (
    SELECT MAX(month) AS month FROM streams
),
streamed AS (
    SELECT s.track_id, CAST(SUM(s.streams) AS INT64) AS streams
    FROM streams AS s
    INNER JOIN latest_month AS m ON s.month = m.month
    GROUP BY s.track_id
)
SELECT
    t.run_date, t.policy_id, t.policy_version, t.royalty_class, t.eligible, m.month,
    COUNT(*) AS tracks,
    CAST(SUM(s.streams) AS INT64) AS streams,
    SUM(CASE WHEN t.eligible THEN s.streams * t.stream_weight ELSE 0 * s.streams END) AS weighted_streams
FROM royalty_treatments AS t
INNER JOIN latest_run AS r ON r.run_date = t.run_date
CROSS JOIN latest_month AS m
LEFT JOIN streamed AS s ON s.track_id = t.track_id
GROUP BY t.run_date, t.policy_id, t.policy_version, t.royalty_class, t.eligible, m.month;
