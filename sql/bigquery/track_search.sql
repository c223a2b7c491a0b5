-- track_search: what a search index takes in, one row per track with its embedding, of the latest model alone.
-- Difference: a table, since a vector index is made on a table; the embedding is ARRAY<FLOAT64>, BigQuery's only float.
-- Run in an emulator, not in BigQuery itself.
CREATE OR REPLACE TABLE track_search
CLUSTER BY category, functional_type
AS
WITH latest_model AS (
    SELECT MAX(model_version) AS model_version
    FROM track_embeddings
    WHERE run_date = (SELECT MAX(run_date) FROM track_embeddings)
)
SELECT
    l.track_id, l.title, l.artist, l.release_id, l.category, l.functional_type, l.decision, l.confidence, l.flags,
    l.audio_sha256, l.duplicate_of, e.embedding, l.model_version, l.run_date
FROM current_labels AS l
INNER JOIN latest_model AS m ON m.model_version = l.model_version
INNER JOIN track_embeddings AS e ON e.track_id = l.track_id AND e.run_date = l.run_date
WHERE l.in_latest_run;
-- With 5,000 rows or more an index saves comparing all of them:
-- CREATE VECTOR INDEX track_search_embedding ON track_search(embedding)
-- OPTIONS (index_type = 'IVF', distance_type = 'COSINE');
