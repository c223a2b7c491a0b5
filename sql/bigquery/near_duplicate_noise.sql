-- near_duplicate_noise: one noise under many ids, by equal audio and by nearly equal embeddings.
-- Difference: VECTOR_SEARCH finds the 50 nearest rows of each audio, where DuckDB compares 1,000 audios a type. It is
-- bounded by neighbours in place of audios, and an index makes it cheap. The searched rows are one per audio of a run
-- (duplicate_of IS NULL), or an audio with 50 ids would have no other neighbours.
-- VECTOR_SEARCH itself has not been run; the rest has, in an emulator.
WITH RECURSIVE audios AS (
    SELECT
        audio_sha256, MIN(functional_type) AS functional_type, COUNT(*) AS tracks, MIN(track_id) AS track_id,
        MIN_BY(embedding, track_id) AS embedding
    FROM track_search
    WHERE category = 'functional'
    GROUP BY audio_sha256
),
pointers AS (
    SELECT query.track_id, MIN(base.track_id) AS first_track_id
    FROM VECTOR_SEARCH(
        (SELECT track_id, functional_type, embedding FROM track_search WHERE duplicate_of IS NULL),
        'embedding',
        (SELECT track_id, functional_type, embedding FROM audios),
        top_k => 50,
        distance_type => 'COSINE'
    )
    WHERE base.functional_type = query.functional_type AND (base.track_id = query.track_id OR distance <= 0.02)
    GROUP BY query.track_id
),
followed AS (
    SELECT track_id, first_track_id AS reached FROM pointers
    UNION ALL
    SELECT f.track_id, p.first_track_id
    FROM followed AS f
    INNER JOIN pointers AS p ON p.track_id = f.reached
    WHERE p.first_track_id <> f.reached
),
clustered AS (
    SELECT track_id, MIN(reached) AS cluster FROM followed GROUP BY track_id
)
SELECT
    k.cluster, MIN(a.functional_type) AS functional_type, COUNT(*) AS audios, SUM(a.tracks) AS tracks,
    ARRAY_AGG(a.track_id ORDER BY a.track_id) AS one_track_per_audio
FROM clustered AS k
INNER JOIN audios AS a ON a.track_id = k.track_id
GROUP BY k.cluster
HAVING SUM(a.tracks) > 1
ORDER BY tracks DESC, k.cluster;
