-- near_duplicate_noise: one noise under many ids, by equal audio and by nearly equal embeddings.
-- Each audio is compared once, however many ids it has. Cost is bounded: of each functional_type the 1,000 audios with
-- most ids are compared, at most half a million pairs a type; raise the bound knowingly, it counts squared.
-- A cluster is named by the first track_id among an audio's near neighbours; likeness is not passed on from one
-- neighbour to the next, so that a chain of small differences does not make one cluster of everything.
WITH audios AS (
    SELECT
        audio_sha256, MIN(functional_type) AS functional_type, COUNT(*) AS tracks, MIN(track_id) AS track_id,
        MIN_BY(embedding, track_id) AS embedding, ARRAY_AGG(track_id ORDER BY track_id) AS track_ids
    FROM track_search
    WHERE category = 'functional'
    GROUP BY audio_sha256
),
compared AS (
    SELECT *
    FROM audios
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY functional_type ORDER BY tracks DESC, audio_sha256) <= 1000
),
near AS (
    SELECT a.audio_sha256, MIN(b.track_id) AS first_track_id
    FROM compared AS a
    INNER JOIN compared AS b
        ON b.functional_type = a.functional_type
        AND list_cosine_similarity(a.embedding, b.embedding) >= 0.98
    GROUP BY a.audio_sha256
)
SELECT
    n.first_track_id AS cluster, MIN(c.functional_type) AS functional_type, COUNT(*) AS audios,
    CAST(SUM(c.tracks) AS INT64) AS tracks, ARRAY_AGG(c.track_id ORDER BY c.track_id) AS one_track_per_audio
FROM near AS n
INNER JOIN compared AS c ON c.audio_sha256 = n.audio_sha256
GROUP BY n.first_track_id
HAVING SUM(c.tracks) > 1
ORDER BY tracks DESC, cluster;
