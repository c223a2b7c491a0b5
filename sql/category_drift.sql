-- category_drift: tracks and shares by category and type in the last two runs, and the change of the share.
-- With a single run the columns of the run before are null. label_history has the tracks that changed.
CREATE OR REPLACE VIEW category_drift AS
WITH latest AS (
    SELECT MAX(run_date) AS run_date FROM track_labels
),
earlier AS (
    SELECT MAX(l.run_date) AS run_date
    FROM track_labels AS l
    INNER JOIN latest AS a ON l.run_date < a.run_date
),
counted AS (
    SELECT
        l.category, l.functional_type, b.run_date AS run_date_before, a.run_date AS run_date_after,
        COUNT(CASE WHEN l.run_date = b.run_date THEN 1 END) AS tracks_before,
        COUNT(CASE WHEN l.run_date = a.run_date THEN 1 END) AS tracks_after
    FROM track_labels AS l
    CROSS JOIN latest AS a
    CROSS JOIN earlier AS b
    WHERE l.run_date = a.run_date OR l.run_date = b.run_date
    GROUP BY l.category, l.functional_type, b.run_date, a.run_date
),
shares AS (
    SELECT
        *,
        tracks_before / NULLIF(SUM(tracks_before) OVER (), 0) AS share_before,
        tracks_after / NULLIF(SUM(tracks_after) OVER (), 0) AS share_after
    FROM counted
)
SELECT
    category, functional_type, run_date_before, run_date_after,
    CASE WHEN run_date_before IS NULL THEN NULL ELSE tracks_before END AS tracks_before,
    tracks_after, share_before, share_after, share_after - share_before AS share_change
FROM shares;
