-- coverage_by_licensor: per licensor and month, how much of what was streamed has a label, by tracks and by streams.
-- The licensor is who is paid for the streams, from the table streams: without streams the view is empty.
-- A label counts when the latest run gave it, as in that run's page and in preview_payout: a track that this run could
-- not label counts as a dead letter, and one that it does not list as neither, whatever earlier runs said of them.
-- labels_by_licensor counts by the catalog's licensor, and needs no streams.
CREATE OR REPLACE VIEW coverage_by_licensor AS
WITH streamed AS (
    SELECT licensor, month, track_id, CAST(SUM(streams) AS INT64) AS streams
    FROM streams
    GROUP BY licensor, month, track_id
),
labelled AS (
    SELECT track_id, category, decision FROM current_labels WHERE in_latest_run
),
latest_run AS (
    SELECT MAX(run_date) AS run_date FROM track_labels
),
dead AS (
    SELECT DISTINCT d.track_id
    FROM dead_letters AS d
    INNER JOIN latest_run AS r ON r.run_date = d.run_date
    WHERE d.track_id IS NOT NULL
)
SELECT
    s.licensor, s.month,
    COUNT(*) AS tracks,
    COUNT(l.track_id) AS labelled_tracks,
    COUNT(CASE WHEN l.track_id IS NULL THEN d.track_id END) AS dead_letter_tracks,
    COUNT(CASE WHEN l.category = 'music' THEN 1 END) AS music_tracks,
    COUNT(CASE WHEN l.category = 'functional' THEN 1 END) AS functional_tracks,
    COUNT(CASE WHEN l.category = 'speech' THEN 1 END) AS speech_tracks,
    COUNT(CASE WHEN l.decision = 'review' THEN 1 END) AS review_tracks,
    CAST(SUM(s.streams) AS INT64) AS streams,
    CAST(SUM(CASE WHEN l.category = 'functional' THEN s.streams ELSE 0 END) AS INT64) AS functional_streams,
    SUM(CASE WHEN l.track_id IS NOT NULL THEN s.streams ELSE 0 END) / NULLIF(SUM(s.streams), 0)
        AS labelled_share_of_streams
FROM streamed AS s
LEFT JOIN labelled AS l ON l.track_id = s.track_id
LEFT JOIN dead AS d ON d.track_id = s.track_id
GROUP BY s.licensor, s.month;
