-- current_labels: the latest label of each track, one row per track.
-- A track that a later run does not list, or could not label, keeps its last label; run_date says of when it is.
CREATE OR REPLACE VIEW current_labels AS
SELECT *
FROM track_labels
WHERE TRUE  -- BigQuery has asked for a WHERE beside QUALIFY
QUALIFY ROW_NUMBER() OVER (PARTITION BY track_id ORDER BY run_date DESC) = 1;
