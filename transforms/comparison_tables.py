"""The Parquet files of a comparison: their schemas, and the queries that fill them."""

from __future__ import annotations

import pathlib
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from models.payout_shares import WEIGHT_UNITS
from transforms.output_folders import partial_file
from transforms.run_changes import SIDES
from transforms.table_schemas import DEAD_LETTERS, ROYALTY_TREATMENTS, TRACK_LABELS

_BATCH_ROWS: Final = 50_000
_WHEN: Final = {"before": "In the run before", "after": "In the run after"}
#: Columns of ``track_labels`` that ``changed_tracks`` has twice.
EVIDENCE: Final = (
    "category", "functional_type", "decision", "confidence", "p_music", "p_functional", "p_speech", "music_fraction",
    "functional_fraction", "speech_fraction", "flags", "label_source", "model_version", "audio_sha256", "duration_s",
)  # fmt: skip
_TREATMENT: Final = ("policy_version", "royalty_class", "eligible", "stream_weight")


def _field(name: str, kind: pa.DataType, nullable: bool, description: str) -> pa.Field:
    return pa.field(name, kind, nullable, {"description": description})


def _twice(schema: pa.Schema, names: tuple[str, ...], nullable: bool = False) -> list[pa.Field]:
    """A column of a published table for each of the two runs."""
    return [
        _field(
            f"{name}_{side}", schema.field(name).type, nullable or schema.field(name).nullable,
            f"{when}: {schema.field(name).metadata[b'description'].decode('utf-8')}",
        )
        for name in names
        for side, when in _WHEN.items()
    ]  # fmt: skip


_TREATMENTS: Final = pa.list_(
    pa.field(
        "element",
        pa.struct([ROYALTY_TREATMENTS.field("policy_id"), *_twice(ROYALTY_TREATMENTS, _TREATMENT)]),
        nullable=False,
    )
)

CHANGED_TRACKS: Final = pa.schema(
    [
        TRACK_LABELS.field("track_id"),
        _field("title", pa.string(), True, "In the run after, from the catalog."),
        _field("artist", pa.string(), True, "In the run after, from the catalog."),
        _field("audio_uri", pa.string(), False, "In the run after, from the catalog."),
        _field("cause", pa.string(), False, "Why, as far as the tables tell; docs/comparing.md lists the words."),
        _field("category_changed", pa.bool_(), False, "Whether the category differs."),
        _field("functional_type_changed", pa.bool_(), False, "Whether the functional type differs."),
        _field("decision_changed", pa.bool_(), False, "Whether `auto` became `review` or the other way round."),
        _field("treatment_changed", pa.bool_(), False, "Whether class, eligibility or weight differ under a policy."),
        _field("audio_same", pa.bool_(), False, "Whether both runs labelled the same bytes."),
        *_twice(TRACK_LABELS, EVIDENCE),
        _field("treatments", _TREATMENTS, False, "Under each policy that was compared, in both runs."),
        _field("streams", pa.int64(), True, "Streams in the month, over all licensors; null without streams."),
    ]
)

PRESENCE_CHANGES: Final = pa.schema(
    [
        TRACK_LABELS.field("track_id"),
        _field("title", pa.string(), True, "Where it was labelled, from the catalog; of the run after first."),
        _field("state_before", pa.string(), False, "`labelled`, `dead_letter` or `absent` in the run before."),
        _field("state_after", pa.string(), False, "The same in the run after."),
        *_twice(TRACK_LABELS, ("category", "decision"), nullable=True),
        *_twice(DEAD_LETTERS, ("error_type", "message"), nullable=True),
        _field("streams", pa.int64(), True, "Streams in the month, over all licensors; null without streams."),
    ]
)

DRIFT: Final = pa.schema(
    [
        _field("dimension", pa.string(), False, "`category`, `functional_type`, `decision`, `flag` or `licensor`."),
        _field("value", pa.string(), True, "The category, type, decision, flag or licensor."),
        _field("category", pa.string(), True, "Of a licensor's tracks, those of this category; else null."),
        _field("tracks_before", pa.int64(), False, "Labels in the run before."),
        _field("tracks_after", pa.int64(), False, "Labels in the run after."),
        _field(
            "share_before", pa.float64(), True, "Of all labels (of the licensor's) before; null when there are none."
        ),
        _field("share_after", pa.float64(), True, "Of all labels (of the licensor's) after; null when there are none."),
        _field("share_change", pa.float64(), True, "`share_after` less `share_before`."),
    ]
)

_CHANGED_QUERY: Final = f"""
    WITH treated AS (
        SELECT track_id, list(struct_pack(
            policy_id := policy_id,
            {", ".join(f"{name}_before := b.{name}, {name}_after := a.{name}" for name in _TREATMENT)}
        ) ORDER BY policy_id) AS treatments
        FROM (SELECT *, weight_units / {WEIGHT_UNITS} AS stream_weight FROM treatments WHERE run = 'before') AS b
        JOIN (SELECT *, weight_units / {WEIGHT_UNITS} AS stream_weight FROM treatments WHERE run = 'after') AS a
            USING (track_id, policy_id)
        WHERE track_id IN (SELECT track_id FROM changed)
        GROUP BY track_id
    )
    SELECT track_id, a.title, a.artist, a.audio_uri, cause, category_changed, functional_type_changed,
        decision_changed, treatment_changed, b.audio_sha256 = a.audio_sha256 AS audio_same,
        {", ".join(f"{side[0]}.{name} AS {name}_{side}" for name in EVIDENCE for side in SIDES)},
        coalesce(treated.treatments, []) AS treatments, at_stake.streams AS streams
    FROM changed JOIN labels_before AS b USING (track_id) JOIN labels_after AS a USING (track_id)
    LEFT JOIN treated USING (track_id) LEFT JOIN at_stake USING (track_id)
    """  # noqa: S608 - names of ours

_PRESENCE_QUERY: Final = """
    SELECT track_id, coalesce(a.title, b.title) AS title,
        coalesce(b.state, 'absent') AS state_before, coalesce(a.state, 'absent') AS state_after,
        b.category AS category_before, a.category AS category_after, b.decision AS decision_before,
        a.decision AS decision_after, b.error_type AS error_type_before, a.error_type AS error_type_after,
        b.message AS message_before, a.message AS message_after, at_stake.streams AS streams
    FROM states_before AS b FULL JOIN states_after AS a USING (track_id) LEFT JOIN at_stake USING (track_id)
    WHERE b.state IS DISTINCT FROM a.state
    """

_DRIFT_QUERY: Final = """
    WITH counted AS (
        SELECT 'category' AS dimension, category AS value, NULL AS category, run, count(*) AS tracks
        FROM both_labels GROUP BY ALL
        UNION ALL SELECT 'functional_type', functional_type, NULL, run, count(*) FROM both_labels
            WHERE functional_type IS NOT NULL GROUP BY ALL
        UNION ALL SELECT 'decision', decision, NULL, run, count(*) FROM both_labels GROUP BY ALL
        UNION ALL SELECT 'flag', flag, NULL, run, count(*)
            FROM (SELECT run, unnest(flags) AS flag FROM both_labels) GROUP BY ALL
        UNION ALL SELECT 'licensor', licensor, category, run, count(*)
            FROM licensor_tracks JOIN both_labels USING (track_id) GROUP BY ALL
    ), totals AS (
        SELECT NULL AS licensor, false AS of_licensor, run, count(*) AS labels FROM both_labels GROUP BY run
        UNION ALL SELECT licensor, true, run, count(*) FROM licensor_tracks JOIN both_labels USING (track_id)
            GROUP BY licensor, run
    ), cells AS (
        SELECT dimension, value, category,
            coalesce(sum(tracks) FILTER (run = 'before'), 0)::BIGINT AS tracks_before,
            coalesce(sum(tracks) FILTER (run = 'after'), 0)::BIGINT AS tracks_after
        FROM counted GROUP BY ALL
    ), shares AS (
        SELECT cells.*, tracks_before / b.labels AS share_before, tracks_after / a.labels AS share_after
        FROM cells
        LEFT JOIN (SELECT * FROM totals WHERE run = 'before') AS b ON b.of_licensor = (dimension = 'licensor')
            AND (NOT b.of_licensor OR b.licensor IS NOT DISTINCT FROM value)
        LEFT JOIN (SELECT * FROM totals WHERE run = 'after') AS a ON a.of_licensor = (dimension = 'licensor')
            AND (NOT a.of_licensor OR a.licensor IS NOT DISTINCT FROM value)
    )
    SELECT dimension, value, category, tracks_before, tracks_after, share_before, share_after,
        share_after - share_before AS share_change
    FROM shares
    """

#: The tables that every comparison writes: schema, the query for its rows, and the columns that order them.
COMPARISON_TABLES: Final = {
    "changed_tracks": (CHANGED_TRACKS, _CHANGED_QUERY, "track_id"),
    "presence_changes": (PRESENCE_CHANGES, _PRESENCE_QUERY, "track_id"),
    "drift": (DRIFT, _DRIFT_QUERY, "dimension, value NULLS FIRST, category NULLS FIRST"),
}


def prepare_views(connection: Any, with_streams: bool) -> None:
    """Make what the queries look at beside the loaded tables: both runs' labels, licensors' tracks, streams at stake.

    Parameters
    ----------
    with_streams
        Whether :class:`transforms.payout_streams.StreamsPayout` has read streams into this database.
    """
    columns = "track_id, category, functional_type, decision, flags"
    labels = " UNION ALL ".join(f"SELECT '{side}' AS run, {columns} FROM labels_{side}" for side in SIDES)  # noqa: S608
    connection.execute(f"CREATE VIEW both_labels AS {labels}")
    if not with_streams:
        connection.execute("CREATE TABLE month_streams (track_id VARCHAR, licensor VARCHAR, streams HUGEINT)")
    connection.execute("CREATE VIEW licensor_tracks AS SELECT licensor, track_id FROM month_streams")
    connection.execute(
        "CREATE TABLE at_stake AS SELECT track_id, sum(streams)::BIGINT AS streams FROM month_streams GROUP BY track_id"
    )


def write_comparison_tables(connection: Any, output: pathlib.Path) -> None:
    """Keep each table's rows in DuckDB, under its name, and write it as a file that is whole whenever it is there."""
    for name, (schema, query, order) in COMPARISON_TABLES.items():
        connection.execute(f"CREATE TABLE {name} AS {query}")
        write_query(connection, f"SELECT * FROM {name} ORDER BY {order}", schema, output / f"{name}.parquet")  # noqa: S608


def write_query(connection: Any, query: str, schema: pa.Schema, path: pathlib.Path) -> int:
    """Write the rows of a query of ours, in its order; gives their number."""
    temporary = partial_file(path)
    rows = 0
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in connection.sql(query).to_arrow_reader(_BATCH_ROWS):
            writer.write_table(pa.Table.from_batches([batch]).select(schema.names).cast(schema))
            rows += batch.num_rows
    temporary.replace(path)
    return rows
