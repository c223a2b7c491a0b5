-- near_duplicate_noise: one noise under many ids, by equal audio and by nearly equal embeddings.
-- Each audio is compared once, however many ids it has. Cost is bounded: of each functional_type the 1,000 audios with
-- most ids are compared, a million pairs a type; raise the bound knowingly, it counts squared.
-- Every audio points to the first track_id among its near neighbours (itself included); following the pointers to
-- their end gives the cluster. The ends of a cluster may differ by more than the threshold, neighbours may not.
WITH RECURSIVE audios AS (
    SELECT
        audio_sha256, MIN(functional_type) AS functional_type, COUNT(*) AS tracks, MIN(track_id) AS track_id,
        MIN_BY(embedding, track_id) AS embedding
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
pointers AS (
    SELECT a.track_id, MIN(b.track_id) AS first_track_id
    FROM compared AS a
    INNER JOIN compared AS b
        ON b.functional_type = a.functional_type
        AND (b.track_id = a.track_id OR list_cosine_similarity(a.embedding, b.embedding) >= 0.98)
    GROUP BY a.track_id
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
    k.cluster, MIN(c.functional_type) AS functional_type, COUNT(*) AS audios, CAST(SUM(c.tracks) AS INT64) AS tracks,
    ARRAY_AGG(c.track_id ORDER BY c.track_id) AS one_track_per_audio
FROM clustered AS k
INNER JOIN compared AS c ON c.track_id = k.track_id
GROUP BY k.cluster
HAVING SUM(c.tracks) > 1
ORDER BY tracks DESC, k.cluster;
