-- duplicate_audio: the same file under several track ids, byte for byte, with what it is and who carries it.
-- Nearly the same audio, such as another encoding, has another audio_sha256: see the example near_duplicate_noise.
CREATE OR REPLACE VIEW duplicate_audio AS
SELECT
    audio_sha256,
    COUNT(*) AS tracks,
    COUNT(DISTINCT artist) AS artists,
    MIN(category) AS category,
    MIN(functional_type) AS functional_type,
    MIN(duration_s) AS duration_s,
    ARRAY_AGG(track_id ORDER BY track_id) AS track_ids,
    -- Labels of one audio differ where titles or declared types raised a flag, never in category.
    COUNT(DISTINCT category) AS categories
FROM current_labels
WHERE in_latest_run
GROUP BY audio_sha256
HAVING COUNT(*) > 1;
