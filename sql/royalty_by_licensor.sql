-- royalty_by_licensor: the latest treatments by policy, the catalog's licensor and royalty class: tracks, and why not.
-- It needs no streams; preview_payout divides a pool by who is paid for them.
CREATE OR REPLACE VIEW royalty_by_licensor AS
WITH latest_run AS (
    SELECT MAX(run_date) AS run_date FROM royalty_treatments
)
SELECT
    t.run_date, t.policy_id, t.policy_version, l.licensor, t.royalty_class, t.eligible, t.ineligible_reason,
    t.stream_weight,
    COUNT(*) AS tracks
FROM royalty_treatments AS t
INNER JOIN latest_run AS r ON r.run_date = t.run_date
INNER JOIN track_labels AS l ON l.track_id = t.track_id AND l.run_date = t.run_date
GROUP BY
    t.run_date, t.policy_id, t.policy_version, l.licensor, t.royalty_class, t.eligible, t.ineligible_reason,
    t.stream_weight;
