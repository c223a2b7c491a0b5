-- dead_letters_by_cause: per run, how many catalog rows could not be labelled for each cause, with one message of each.
-- share_of_rows: of the run's labels and dead letters together; identical catalog rows count once.
CREATE OR REPLACE VIEW dead_letters_by_cause AS
WITH rows_of_run AS (
    SELECT run_date, COUNT(*) AS catalog_rows
    FROM (SELECT run_date FROM dead_letters UNION ALL SELECT run_date FROM track_labels) AS ends
    GROUP BY run_date
),
causes AS (
    SELECT run_date, stage, error_type, COUNT(*) AS dead_letters, MIN(message) AS first_message
    FROM dead_letters
    GROUP BY run_date, stage, error_type
)
SELECT
    c.run_date, c.stage, c.error_type, c.dead_letters, c.dead_letters / r.catalog_rows AS share_of_rows,
    c.first_message
FROM causes AS c
INNER JOIN rows_of_run AS r ON r.run_date = c.run_date;
