-- royalty_by_licensor: the latest treatments by policy, the catalog's licensor and royalty class: tracks, and why not.
-- The reason is ineligible_reason without the length of the track, which would make a row of nearly every short track.
-- It needs no streams; preview_payout divides a pool by who is paid for them.
CREATE OR REPLACE VIEW royalty_by_licensor AS
WITH latest_run AS (
    SELECT MAX(run_date) AS run_date FROM royalty_treatments
),
treated AS (
    SELECT
        t.run_date, t.policy_id, t.policy_version, l.licensor, t.royalty_class, t.eligible,
        REGEXP_REPLACE(t.ineligible_reason, ', and this one is [0-9.]+ s long', '') AS reason,
        t.stream_weight
    FROM royalty_treatments AS t
    INNER JOIN latest_run AS r ON r.run_date = t.run_date
    INNER JOIN track_labels AS l ON l.track_id = t.track_id AND l.run_date = t.run_date
)
SELECT run_date, policy_id, policy_version, licensor, royalty_class, eligible, reason, stream_weight, COUNT(*) AS tracks
FROM treated
GROUP BY run_date, policy_id, policy_version, licensor, royalty_class, eligible, reason, stream_weight;
