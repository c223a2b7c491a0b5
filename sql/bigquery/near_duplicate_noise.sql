-- near_duplicate_noise: one noise under many ids, by equal audio and by nearly equal embeddings.
-- Difference: VECTOR_SEARCH finds the 50 nearest of each audio, where DuckDB compares 1,000 audios a type; so it is
-- bounded by neighbours in place of audios, and an index makes it cheap.
-- Written from BigQuery's documentation; not run there.
WITH audios AS (
    SELECT
        audio_sha256, MIN(functional_type) AS functional_type, COUNT(*) AS tracks, MIN(track_id) AS track_id,
        MIN_BY(embedding, track_id) AS embedding
    FROM track_search
    WHERE category = 'functional'
    GROUP BY audio_sha256
),
near AS (
    SELECT query.audio_sha256, MIN(base.track_id) AS first_track_id
    FROM VECTOR_SEARCH(
        (SELECT track_id, functional_type, embedding FROM track_search WHERE category = 'functional'),
        'embedding',
        (SELECT * FROM audios),
        top_k => 50,
        distance_type => 'COSINE'
    )
    WHERE base.functional_type = query.functional_type AND distance <= 0.02
    GROUP BY query.audio_sha256
)
SELECT
    n.first_track_id AS cluster, MIN(a.functional_type) AS functional_type, COUNT(*) AS audios,
    SUM(a.tracks) AS tracks, ARRAY_AGG(a.track_id ORDER BY a.track_id) AS one_track_per_audio
FROM near AS n
INNER JOIN audios AS a ON a.audio_sha256 = n.audio_sha256
GROUP BY n.first_track_id
HAVING SUM(a.tracks) > 1
ORDER BY tracks DESC, cluster;
