-- current_labels: the latest label of each track, one row per track.
-- A track that the latest run does not list, or could not label, keeps its last label; in_latest_run is false for it.
CREATE OR REPLACE VIEW current_labels AS
SELECT *, run_date = (SELECT MAX(run_date) FROM track_labels) AS in_latest_run
FROM track_labels
WHERE TRUE  -- BigQuery has asked for a WHERE beside QUALIFY
QUALIFY ROW_NUMBER() OVER (PARTITION BY track_id ORDER BY run_date DESC) = 1;
