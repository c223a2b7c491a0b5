-- focus_playlist: which tracks of a playlist stay when noise is filtered out, and why the others do not.
-- Put your own playlist in the first lines. A track in review is kept and named: nobody has listened to it yet.
WITH playlist AS (
    SELECT track_id FROM track_search WHERE release_id IN ('rel_endgame', 'rel_sleep', 'rel_silence')
),
same_audio AS (
    SELECT s.audio_sha256, MIN(s.track_id) AS first_track_id
    FROM track_search AS s
    INNER JOIN playlist AS p ON p.track_id = s.track_id
    GROUP BY s.audio_sha256
)
SELECT
    s.track_id, s.title, s.category, s.functional_type, s.confidence,
    CASE
        WHEN s.category = 'functional' AND s.decision = 'auto' THEN CONCAT('drop: functional, ', s.functional_type)
        WHEN a.first_track_id <> s.track_id THEN CONCAT('drop: same audio as ', a.first_track_id)
        WHEN s.decision = 'review' THEN 'keep, not reviewed yet'
        ELSE 'keep'
    END AS verdict
FROM track_search AS s
INNER JOIN playlist AS p ON p.track_id = s.track_id
INNER JOIN same_audio AS a ON a.audio_sha256 = s.audio_sha256
ORDER BY s.track_id;
