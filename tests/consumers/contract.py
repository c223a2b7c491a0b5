"""What royalty accounting and search rely on, written down by hand, apart from the schemas that it is held against.

A change here is a change for the consumers: agree on it with them, and say so in docs/warehouse.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from models.decision import FLAGS
from transforms.records import ErrorType

#: Types and nullability by table and column, in SQL's words.
LINEAGE = {
    "model_version": "VARCHAR NOT NULL",
    "taxonomy_version": "VARCHAR NOT NULL",
    "run_id": "VARCHAR NOT NULL",
    "run_date": "DATE NOT NULL",
}
COLUMNS = {
    "track_labels": {
        "track_id": "VARCHAR NOT NULL",
        "isrc": "VARCHAR",
        "release_id": "VARCHAR",
        "title": "VARCHAR",
        "artist": "VARCHAR",
        "audio_uri": "VARCHAR NOT NULL",
        "audio_sha256": "VARCHAR NOT NULL",
        "duration_s": "DOUBLE NOT NULL",
        "category": "VARCHAR NOT NULL",
        "functional_type": "VARCHAR",
        "decision": "VARCHAR NOT NULL",
        "confidence": "DOUBLE NOT NULL",
        "p_music": "DOUBLE NOT NULL",
        "p_functional": "DOUBLE NOT NULL",
        "p_speech": "DOUBLE NOT NULL",
        "music_fraction": "DOUBLE NOT NULL",
        "functional_fraction": "DOUBLE NOT NULL",
        "speech_fraction": "DOUBLE NOT NULL",
        "duplicate_of": "VARCHAR",
        "flags": "VARCHAR[] NOT NULL",
        "label_source": "VARCHAR NOT NULL",
        **LINEAGE,
        "licensor": "VARCHAR",
    },
    "track_segments": {
        "track_id": "VARCHAR NOT NULL",
        "start_s": "DOUBLE NOT NULL",
        "end_s": "DOUBLE NOT NULL",
        "category": "VARCHAR NOT NULL",
        "functional_type": "VARCHAR",
        "confidence": "DOUBLE NOT NULL",
        **LINEAGE,
    },
    "track_embeddings": {
        "track_id": "VARCHAR NOT NULL",
        "audio_sha256": "VARCHAR NOT NULL",
        "embedding": "FLOAT[] NOT NULL",
        **LINEAGE,
    },
    "audio_versions": {
        "track_id": "VARCHAR NOT NULL",
        "audio_uri": "VARCHAR NOT NULL",
        "audio_sha256": "VARCHAR NOT NULL",
        "size_bytes": "BIGINT NOT NULL",
        "storage_version": "VARCHAR",
        "audio_etag": "VARCHAR",
        **LINEAGE,
    },
    "royalty_treatments": {
        "track_id": "VARCHAR NOT NULL",
        "policy_id": "VARCHAR NOT NULL",
        "policy_version": "VARCHAR NOT NULL",
        "royalty_class": "VARCHAR NOT NULL",
        "eligible": "BOOLEAN NOT NULL",
        "ineligible_reason": "VARCHAR",
        "stream_weight": "DOUBLE NOT NULL",
        "ddex_sound_recording_type": "VARCHAR",
        **LINEAGE,
    },
    "dead_letters": {
        "track_id": "VARCHAR",
        "catalog_row": "VARCHAR NOT NULL",
        "stage": "VARCHAR NOT NULL",
        "error_type": "VARCHAR NOT NULL",
        "message": "VARCHAR NOT NULL",
        **LINEAGE,
    },
}
#: Columns of the views that other people's queries name; more may come.
VIEW_COLUMNS = {
    "current_labels": {*COLUMNS["track_labels"], "in_latest_run"},
    "label_history": {"track_id", "run_date", "category", "previous_category", "previous_decision", "changed", "why"},
    "review_queue": {"queue_position", "track_id", "title", "artist", "audio_uri", "category", "flags",
                     "streams_at_stake", "confidence"},
    "coverage_by_licensor": {"licensor", "month", "tracks", "labelled_tracks", "streams", "labelled_share_of_streams"},
    "dead_letters_by_cause": {"run_date", "stage", "error_type", "dead_letters", "share_of_rows", "first_message"},
    "duplicate_audio": {"audio_sha256", "tracks", "track_ids", "category", "functional_type"},
    "category_drift": {"category", "functional_type", "share_before", "share_after", "share_change"},
    "royalty_summary": {"policy_id", "policy_version", "royalty_class", "eligible", "tracks", "streams"},
    "labels_by_licensor": {"licensor", "tracks", "music_tracks", "functional_tracks", "speech_tracks", "review_tracks"},
    "royalty_by_licensor": {"policy_id", "policy_version", "licensor", "royalty_class", "eligible", "tracks"},
    "track_search": {"track_id", "title", "artist", "release_id", "category", "functional_type", "decision",
                     "confidence", "flags", "audio_sha256", "duplicate_of", "embedding", "model_version", "run_date"},
}  # fmt: skip

CATEGORIES = ("music", "functional", "speech")
FUNCTIONAL_TYPES = ("noise", "nature", "machine", "sound_effect", "ambience", "asmr", "tone", "silence")
ROYALTY_CLASSES = ("music", "functional", "speech", "pending_review")
STAGES = ("catalog", "audio", "decode", "classify")
#: Relied on: they may get company, and none may go.
KNOWN_FLAGS = {"mixed_content", "shorter_than_catalog", "title_contradicts_audio", "truncated", "uncertain"}
KNOWN_ERROR_TYPES = {
    "invalid_row", "duplicate_track_id", "path_not_allowed", "missing_audio", "empty_audio", "audio_too_large",
    "audio_too_short", "unreadable_audio", "truncated_audio", "decode_timeout", "decoder_crash",
}  # fmt: skip

_PARTS = ("music", "functional", "speech")
_TYPED = "(category = 'functional') <> (functional_type IS NOT NULL) OR functional_type NOT IN {types}"

#: Rule → SQL for the rows that break it.
RULES = {
    "one label per track and run": "SELECT track_id FROM track_labels GROUP BY track_id, run_date HAVING count(*) > 1",
    "category is one of three": f"FROM track_labels WHERE category NOT IN {CATEGORIES}",
    "functional_type is set for functional alone": f"FROM track_labels WHERE {_TYPED.format(types=FUNCTIONAL_TYPES)}",
    "decision is auto or review": "FROM track_labels WHERE decision NOT IN ('auto', 'review')",
    "a review says why": "FROM track_labels WHERE decision = 'review' AND len(flags) = 0",
    "probabilities are a distribution": "FROM track_labels WHERE NOT (least(p_music, p_functional, p_speech) >= 0 "
    "AND abs(p_music + p_functional + p_speech - 1) < 1e-5)",
    "confidence is the category's probability": "FROM track_labels WHERE abs(confidence - CASE category "
    "WHEN 'music' THEN p_music WHEN 'speech' THEN p_speech ELSE p_functional END) > 1e-6",
    "category is the likeliest": "FROM track_labels WHERE confidence < "
    "greatest(p_music, p_functional, p_speech) - 1e-6",
    "fractions are 0 to 1": "FROM track_labels WHERE "
    + " OR ".join(f"NOT {part}_fraction BETWEEN 0 AND 1" for part in _PARTS),
    "duration is seconds of sound": "FROM track_labels WHERE NOT (duration_s > 0 AND duration_s < 86400)",
    "audio is named by its SHA-256": "FROM track_labels WHERE NOT regexp_full_match(audio_sha256, '[0-9a-f]{64}')",
    "duplicate_of is the first track with the audio": "FROM (SELECT track_id, duplicate_of, "
    "min(track_id) OVER (PARTITION BY audio_sha256, run_date) AS first_id FROM track_labels) "
    "WHERE duplicate_of IS DISTINCT FROM nullif(first_id, track_id)",
    "flags are known and sorted": "FROM track_labels WHERE flags <> list_sort(flags) OR "
    f"NOT list_has_all({sorted(FLAGS)}, flags)",
    "label_source is known": "FROM track_labels WHERE label_source NOT IN ('audio', 'carried')",
    "a run has one model and taxonomy": "SELECT run_date FROM track_labels GROUP BY run_date "
    "HAVING count(DISTINCT (model_version, taxonomy_version, run_id)) > 1",
    "run_id begins with its date": " UNION ALL ".join(
        f"SELECT run_id FROM {table} WHERE run_id NOT LIKE strftime(run_date, '%Y-%m-%d') || '-%'" for table in COLUMNS
    ),
    "lineage is filled in": " UNION ALL ".join(
        f"SELECT run_id FROM {table} WHERE model_version = '' OR taxonomy_version <> '1'" for table in COLUMNS
    ),
    "a label or a dead letter, never both": "SELECT l.track_id FROM track_labels l JOIN dead_letters d USING "
    "(track_id, run_date)",
    "one embedding per label, of the same audio": "SELECT l.track_id FROM track_labels l FULL JOIN track_embeddings e "
    "ON e.track_id = l.track_id AND e.run_date = l.run_date AND e.audio_sha256 = l.audio_sha256 "
    "AND e.model_version = l.model_version WHERE l.track_id IS NULL OR e.track_id IS NULL",
    "embeddings have unit length": "FROM track_embeddings WHERE NOT "
    "abs(list_dot_product(embedding, embedding) - 1) < 1e-4",
    "embeddings of a model have one size": "SELECT model_version FROM track_embeddings GROUP BY model_version "
    "HAVING count(DISTINCT len(embedding)) > 1",
    "segments lie in their track, in order": "FROM (SELECT s.start_s, s.end_s, l.duration_s, lag(s.end_s) OVER "
    "(PARTITION BY s.run_date, s.track_id ORDER BY s.start_s) AS before_s FROM track_segments s "
    "LEFT JOIN track_labels l USING (track_id, run_date)) WHERE start_s < 0 OR start_s >= end_s "
    "OR start_s < before_s - 1e-6 OR duration_s IS NULL OR end_s > duration_s + 0.01",
    "segments have a category and type": f"FROM track_segments WHERE category NOT IN {CATEGORIES} "
    f"OR {_TYPED.format(types=FUNCTIONAL_TYPES)} OR NOT confidence BETWEEN 0 AND 1",
    "every label has a segment": "FROM track_labels ANTI JOIN track_segments USING (track_id, run_date)",
    "stage is known": f"FROM dead_letters WHERE stage NOT IN {STAGES}",
    "error_type is known": f"FROM dead_letters WHERE error_type NOT IN {tuple(str(error) for error in ErrorType)}",
    "a dead letter explains itself": "FROM dead_letters WHERE trim(message) = '' OR NOT json_valid(catalog_row)",
    "royalty_class is known": f"FROM royalty_treatments WHERE royalty_class NOT IN {ROYALTY_CLASSES}",
    "ineligible has a reason, eligible none": "FROM royalty_treatments WHERE "
    "eligible = (ineligible_reason IS NOT NULL)",
    "no stream weighs less than nothing": "FROM royalty_treatments WHERE NOT stream_weight >= 0",
    "a policy treats a labelled track once": "SELECT track_id FROM royalty_treatments t LEFT JOIN track_labels l "
    "USING (track_id, run_date) GROUP BY track_id, run_date, policy_id, policy_version "
    "HAVING count(*) > 1 OR count(l.category) = 0",
}


def broken_rules(connection: duckdb.DuckDBPyConnection, rules: Iterable[str] = tuple(RULES)) -> set[str]:
    """Rules that some row of a warehouse breaks."""
    return {rule for rule in rules if connection.execute(RULES[rule]).fetchone() is not None}


def column_breaches(table: str, found: dict[str, str]) -> list[str]:
    """How columns differ, as ``type [NOT NULL]`` by name, from what the consumers rely on; a new nullable one may."""
    wanted = COLUMNS[table]
    differing = [
        f"{table}.{name} is {found.get(name)}, not {kind}" for name, kind in wanted.items() if found.get(name) != kind
    ]
    return differing + [
        f"{table}.{name} must be nullable" for name in found.keys() - wanted if "NOT NULL" in found[name]
    ]
