-- label_history: every label that a track has had, with what changed since the one before, and why.
-- changed: null when nothing did, 'first label', or the names of the columns, parted by blanks.
-- why: what differs between the two runs, the first of audio, taxonomy, model, 'catalog or settings'.
CREATE OR REPLACE VIEW label_history AS
WITH steps AS (
    SELECT
        track_id, run_date, run_id, title, category, functional_type, decision, confidence, flags, audio_sha256,
        model_version, taxonomy_version,
        LAG(run_date) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_run_date,
        LAG(category) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_category,
        LAG(functional_type) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_functional_type,
        LAG(decision) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_decision,
        LAG(confidence) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_confidence,
        LAG(ARRAY_TO_STRING(flags, ' ')) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_flags,
        LAG(audio_sha256) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_audio_sha256,
        LAG(model_version) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_model_version,
        LAG(taxonomy_version) OVER (PARTITION BY track_id ORDER BY run_date) AS previous_taxonomy_version
    FROM track_labels
),
compared AS (
    SELECT
        *,
        CASE
            WHEN previous_run_date IS NULL THEN 'first label'
            ELSE NULLIF(RTRIM(CONCAT(
                CASE WHEN category <> previous_category THEN 'category ' ELSE '' END,
                CASE WHEN functional_type IS DISTINCT FROM previous_functional_type THEN 'functional_type ' ELSE '' END,
                CASE WHEN decision <> previous_decision THEN 'decision ' ELSE '' END,
                CASE WHEN ARRAY_TO_STRING(flags, ' ') <> previous_flags THEN 'flags ' ELSE '' END
            )), '')
        END AS changed
    FROM steps
)
SELECT
    track_id, run_date, run_id, title, category, functional_type, decision, confidence, flags, audio_sha256,
    model_version, taxonomy_version, previous_run_date, previous_category, previous_functional_type,
    previous_decision, previous_confidence, previous_flags, previous_audio_sha256, previous_model_version, changed,
    CASE
        WHEN changed IS NULL OR changed = 'first label' THEN NULL
        WHEN audio_sha256 <> previous_audio_sha256 THEN 'audio'
        WHEN taxonomy_version <> previous_taxonomy_version THEN 'taxonomy'
        WHEN model_version <> previous_model_version THEN 'model'
        ELSE 'catalog or settings'
    END AS why
FROM compared;
