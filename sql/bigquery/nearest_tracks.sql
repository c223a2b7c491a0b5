-- nearest_tracks: the 10 tracks that sound most like a given one, by the cosine of their embeddings.
-- Difference: VECTOR_SEARCH in the place of list_cosine_similarity; it gives the distance, which is 1 - similarity.
-- With an index it is approximate. The same file under other ids is taken out afterwards, so more than 10 are asked for.
-- Bind the query parameter track_id. VECTOR_SEARCH itself has not been run; the rest has, in an emulator.
SELECT
    base.track_id, base.title, base.artist, base.category, base.functional_type, 1 - distance AS similarity
FROM VECTOR_SEARCH(
    TABLE track_search,
    'embedding',
    (SELECT audio_sha256, embedding FROM track_search WHERE track_id = @track_id),
    top_k => 100,
    distance_type => 'COSINE'
)
WHERE base.audio_sha256 <> query.audio_sha256
ORDER BY distance, base.track_id
LIMIT 10;
