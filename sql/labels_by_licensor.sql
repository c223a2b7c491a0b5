-- labels_by_licensor: the labels of the latest run by the catalog's licensor: tracks by category, and those for review.
-- It needs no streams. The licensor is null for tracks without one, and in runs of an Earmark that did not keep it.
CREATE OR REPLACE VIEW labels_by_licensor AS
SELECT
    licensor,
    COUNT(*) AS tracks,
    COUNT(CASE WHEN category = 'music' THEN 1 END) AS music_tracks,
    COUNT(CASE WHEN category = 'functional' THEN 1 END) AS functional_tracks,
    COUNT(CASE WHEN category = 'speech' THEN 1 END) AS speech_tracks,
    COUNT(CASE WHEN decision = 'review' THEN 1 END) AS review_tracks,
    COUNT(CASE WHEN category = 'functional' THEN 1 END) / COUNT(*) AS functional_share
FROM current_labels
WHERE in_latest_run
GROUP BY licensor;
