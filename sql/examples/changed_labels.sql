-- changed_labels: which tracks changed since their last label, most important first, and why.
SELECT track_id, title, run_date, previous_category, category, previous_decision, decision, why
FROM label_history
WHERE changed IS NOT NULL AND changed <> 'first label'
ORDER BY run_date DESC, CASE WHEN category <> previous_category THEN 0 ELSE 1 END, track_id;
