-- track_search: what a search index takes in, one row per track with its embedding, of the latest model alone.
-- Embeddings of two models do not compare: a track whose current label is by an earlier model is left out.
CREATE OR REPLACE VIEW track_search AS
WITH latest_model AS (
    SELECT MAX(model_version) AS model_version  -- one run holds one
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
