-- nearest_tracks: the 10 tracks that sound most like a given one, by the cosine of their embeddings.
-- Put your own track_id in the first line. Exact: every embedding is compared, one pass over the table.
WITH asked AS (
    SELECT track_id, audio_sha256, embedding FROM track_search WHERE track_id = 'trk_0001'
)
SELECT
    s.track_id, s.title, s.artist, s.category, s.functional_type,
    list_cosine_similarity(s.embedding, asked.embedding) AS similarity
FROM track_search AS s
CROSS JOIN asked
WHERE s.audio_sha256 <> asked.audio_sha256  -- the same file under another id is no discovery
ORDER BY similarity DESC, s.track_id
LIMIT 10;
