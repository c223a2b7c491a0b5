-- review_queue: what a person listens to next, by streams at stake, then the least confident first.
-- Tracks that the latest run does not list are not in it.
-- streams_at_stake: streams in the latest month of the table streams; null, and no part of the order, without streams.
CREATE OR REPLACE VIEW review_queue AS
WITH latest AS (
    SELECT MAX(month) AS month FROM streams
),
stakes AS (
    SELECT s.track_id, CAST(SUM(s.streams) AS INT64) AS streams
    FROM streams AS s
    INNER JOIN latest AS m ON s.month = m.month
    GROUP BY s.track_id
),
same_audio AS (
    SELECT audio_sha256, COUNT(*) AS tracks FROM current_labels WHERE in_latest_run GROUP BY audio_sha256
)
SELECT
    ROW_NUMBER() OVER (ORDER BY COALESCE(k.streams, 0) DESC, l.confidence, l.track_id) AS queue_position,
    l.track_id, l.title, l.artist, l.audio_uri, l.category, l.functional_type, l.confidence, l.flags,
    CASE WHEN m.month IS NULL THEN NULL ELSE COALESCE(k.streams, 0) END AS streams_at_stake,
    a.tracks AS tracks_with_this_audio, l.duplicate_of, l.run_date
FROM current_labels AS l
CROSS JOIN latest AS m
INNER JOIN same_audio AS a ON a.audio_sha256 = l.audio_sha256
LEFT JOIN stakes AS k ON k.track_id = l.track_id
WHERE l.decision = 'review' AND l.in_latest_run;
