"""Two runs joined by track_id in DuckDB: which labels changed, and why, in memory that does not grow with the catalog.

Rows reach DuckDB as Arrow and dates, digests and names as parameters, so that nothing of a catalog is ever SQL.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, Final

from models.errors import UserError
from models.taxonomy import FUNCTIONAL, MUSIC
from transforms.payout_streams import (
    TREATMENT_COLUMNS,
    PolicyTerms,
    bounded_database,
    create_treatments,
    load_treatments,
)
from transforms.publish_manifest import ROW_SETTINGS
from transforms.published_runs import PublishedRun
from transforms.warehouse_tables import columns_of, create_table, insert, read_table

#: The two runs, as parts of the names of tables and columns.
SIDES: Final = ("before", "after")

#: Of a database that counts the changes of one part of two runs.
_COUNTING_MEMORY: Final = "300MB"
#: What is read of ``track_labels`` for a whole comparison: the evidence behind a label.
LABEL_COLUMNS: Final = (
    "track_id", "isrc", "release_id", "title", "artist", "audio_uri", "audio_sha256", "duration_s", "category",
    "functional_type", "decision", "confidence", "p_music", "p_functional", "p_speech", "music_fraction",
    "functional_fraction", "speech_fraction", "flags", "label_source", "model_version", "taxonomy_version",
)  # fmt: skip
_DEAD_LETTER_COLUMNS: Final = ("track_id", "stage", "error_type", "message")

#: Why a track changed: the first of these that holds, in words for a person.
CAUSES: Final = {
    "audio_changed": "the audio is another recording or file (another audio_sha256)",
    "taxonomy_changed": "the taxonomy has another version",
    "model_changed": "another model, or another form of it, labelled the same audio",
    "config_changed": "coverage, audio or decision settings differ",
    "metadata_changed": "title, artist, ISRC or release differ in the catalog",
    "policy_changed": "the label is the same, and a policy has another version",
    "release_changed": "the label is the same, and what else is on the release differs",
    "other_input_changed": "what the tables do not hold: another catalog column, or another version of the software",
}


@dataclasses.dataclass(frozen=True, slots=True)
class ComparedRun:
    """One side of a comparison.

    Attributes
    ----------
    run
        What was published, or staged.
    tables, flag
        The folder that was given and the flag that gave it, for messages.
    """

    run: PublishedRun
    tables: str
    flag: str


@dataclasses.dataclass(frozen=True, slots=True)
class LabelChanges:
    """How many tracks have a label in both runs, and how many of them changed category.

    Attributes
    ----------
    both
        Tracks with a label in both.
    changed
        Those of another category.
    music_before
        Those that were music.
    music_to_functional, music_to_functional_auto
        Those that were music and are functional; those of them that will be acted on.
    """

    both: int
    changed: int
    music_before: int
    music_to_functional: int
    music_to_functional_auto: int

    def __add__(self, other: LabelChanges) -> LabelChanges:
        return LabelChanges(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))

    @property
    def changed_share(self) -> float | None:
        """Of the tracks with a label in both; null when there are none."""
        return self.changed / self.both if self.both else None

    @property
    def music_to_functional_share(self) -> float | None:
        """Of the tracks that were music; null when there were none."""
        return self.music_to_functional / self.music_before if self.music_before else None


@dataclasses.dataclass(frozen=True, slots=True)
class LostTracks:
    """How many tracks have a label in the run before, and how many of them the run after does not have at all.

    Attributes
    ----------
    before
        Tracks with a label in the run before.
    lost
        Those that are neither labels nor dead letters in the run after. A dead letter without a track id names none.
    """

    before: int
    lost: int

    def __add__(self, other: LostTracks) -> LostTracks:
        return LostTracks(self.before + other.before, self.lost + other.lost)


def load_labels(connection: Any, side: str, compared: ComparedRun, columns: Sequence[str] = LABEL_COLUMNS) -> None:
    """Fill the table ``labels_<side>``.

    Raises
    ------
    UserError
        A file of the run is not as it was published, or a track has two labels.
    """
    name, schema = f"labels_{side}", columns_of("track_labels", columns)
    create_table(connection, name, schema)
    for batch in read_table(compared.run, "track_labels", columns, compared.tables, compared.flag):
        insert(connection, name, schema, [batch])
    twice = connection.execute(
        f"SELECT track_id FROM {name} GROUP BY track_id HAVING count(*) > 1 ORDER BY track_id LIMIT 1"  # noqa: S608 - a name of ours
    ).fetchone()
    if twice is not None:
        raise UserError(
            f"{compared.flag} {compared.tables}: run {compared.run.run_id} has two labels for the track "
            f"{twice[0][:100]!r}; run categorize_tracks for {compared.run.run_date} again."
        )


def count_label_changes(connection: Any) -> LabelChanges:
    """Count over the two tables of :func:`load_labels`."""
    row = connection.execute(
        """
        SELECT count(*), count(*) FILTER (b.category <> a.category), count(*) FILTER (b.category = $music),
            count(*) FILTER (b.category = $music AND a.category = $functional),
            count(*) FILTER (b.category = $music AND a.category = $functional AND a.decision = 'auto')
        FROM labels_before AS b JOIN labels_after AS a USING (track_id)
        """,
        {"music": MUSIC, "functional": FUNCTIONAL},
    ).fetchone()
    return LabelChanges(*row)


def _count_lost(connection: Any, after: ComparedRun) -> LostTracks:
    """Count over the two tables of :func:`load_labels` and the dead letters of the run after."""
    schema = columns_of("dead_letters", ("track_id",))
    create_table(connection, "dead_after", schema)
    for batch in read_table(after.run, "dead_letters", ("track_id",), after.tables, after.flag):
        insert(connection, "dead_after", schema, [batch])
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM labels_before), count(*)
        FROM labels_before ANTI JOIN labels_after USING (track_id) ANTI JOIN dead_after USING (track_id)
        """
    ).fetchone()
    return LostTracks(*row)


def count_changes(before: ComparedRun, after: ComparedRun) -> tuple[LabelChanges, LostTracks]:
    """Count how labels changed and how many went, from the few columns that it takes.

    Memory does not grow with the runs where their files are numbered alike, as those of a run and of one that carries
    its labels forward are. Otherwise what outgrows it goes to a temporary folder.

    Raises
    ------
    UserError
        See :func:`load_labels`.
    """
    changes, lost = LabelChanges(0, 0, 0, 0, 0), LostTracks(0, 0)
    for parts in _in_parts(before, after):
        with bounded_database(_COUNTING_MEMORY) as connection:
            for side, compared in zip(SIDES, parts, strict=True):
                load_labels(connection, side, compared, ("track_id", "category", "decision"))
            changes, lost = changes + count_label_changes(connection), lost + _count_lost(connection, parts[1])
    return changes, lost


def _in_parts(before: ComparedRun, after: ComparedRun) -> Iterator[tuple[ComparedRun, ComparedRun]]:
    """Both runs in as many parts as their files allow, all rows of a track in the same one."""
    files = [compared.run.files_of(table) for compared in (before, after) for table in ("track_labels", "dead_letters")]
    number = math.gcd(*(file.shard[1] for some in files for file in some)) or 1
    for part in range(number):
        yield _part_of(before, part, number), _part_of(after, part, number)


def _part_of(compared: ComparedRun, part: int, number: int) -> ComparedRun:
    files = tuple(file for file in compared.run.files if file.shard[0] % number == part)
    return dataclasses.replace(compared, run=dataclasses.replace(compared.run, files=files))


def load_runs(
    connection: Any, before: ComparedRun, after: ComparedRun, policies: Sequence[tuple[PolicyTerms, PolicyTerms]]
) -> None:
    """Fill the tables of a whole comparison: labels, dead letters, treatments, and what became of each track.

    Parameters
    ----------
    policies
        The terms of each policy in the run before and in the run after.

    Raises
    ------
    UserError
        See :func:`load_labels`.
    """
    create_treatments(connection)
    for index, (side, compared) in enumerate(zip(SIDES, (before, after), strict=True)):
        load_labels(connection, side, compared)
        dead_letters = columns_of("dead_letters", _DEAD_LETTER_COLUMNS)
        create_table(connection, f"dead_letters_{side}", dead_letters)
        for batch in read_table(compared.run, "dead_letters", _DEAD_LETTER_COLUMNS, compared.tables, compared.flag):
            insert(connection, f"dead_letters_{side}", dead_letters, [batch])
        if policies:
            treatments = read_table(
                compared.run, "royalty_treatments", TREATMENT_COLUMNS, compared.tables, compared.flag
            )
            load_treatments(connection, treatments, [pair[index] for pair in policies], side)
        _state_tracks(connection, side)
    _find_changed(connection, config_differs(before.run, after.run))


def config_differs(before: PublishedRun, after: PublishedRun) -> bool:
    """Whether a setting that labels depend on differs; false where a run does not say."""
    settings = [{name: run.manifest.get("config", {}).get(name) for name in ROW_SETTINGS} for run in (before, after)]
    return all(any(values.values()) for values in settings) and settings[0] != settings[1]


def _state_tracks(connection: Any, side: str) -> None:
    """Make ``states_<side>``: each track once, labelled or a dead letter; of several dead letters the first cause."""
    connection.execute(
        f"""
        CREATE TABLE states_{side} AS
        SELECT track_id, title, 'labelled' AS state, category, decision,
            NULL::VARCHAR AS error_type, NULL::VARCHAR AS message
        FROM labels_{side}
        UNION ALL
        SELECT track_id, NULL, 'dead_letter', NULL, NULL, min(error_type), min_by(message, (error_type, message))
        FROM dead_letters_{side} ANTI JOIN labels_{side} USING (track_id)
        WHERE track_id IS NOT NULL GROUP BY track_id
        """  # noqa: S608 - one of two names
    )


def _find_changed(connection: Any, config_changed: bool) -> None:
    """Make ``changed``: the tracks with a label in both runs whose label or treatment differs, with the cause."""
    connection.execute(
        """
        CREATE TABLE changed AS
        WITH treated AS (
            SELECT b.track_id, bool_or(b.policy_version <> a.policy_version) AS other_policy
            FROM (SELECT * FROM treatments WHERE run = 'before') AS b
            JOIN (SELECT * FROM treatments WHERE run = 'after') AS a USING (track_id, policy_id)
            WHERE (b.royalty_class, b.eligible, b.weight_units) IS DISTINCT FROM
                (a.royalty_class, a.eligible, a.weight_units)
            GROUP BY b.track_id
        ), compared AS (
            SELECT track_id,
                b.category <> a.category AS category_changed,
                b.functional_type IS DISTINCT FROM a.functional_type AS functional_type_changed,
                b.decision <> a.decision AS decision_changed,
                treated.track_id IS NOT NULL AS treatment_changed,
                coalesce(treated.other_policy, false) AS other_policy,
                b.audio_sha256 <> a.audio_sha256 AS other_audio,
                b.taxonomy_version <> a.taxonomy_version AS other_taxonomy,
                b.model_version <> a.model_version AS other_model,
                (b.title, b.artist, b.isrc, b.release_id) IS DISTINCT FROM (a.title, a.artist, a.isrc, a.release_id)
                    AS other_metadata
            FROM labels_before AS b JOIN labels_after AS a USING (track_id) LEFT JOIN treated USING (track_id)
        ), told AS (
            SELECT *, category_changed OR functional_type_changed OR decision_changed AS label_changed FROM compared
        )
        SELECT track_id, category_changed, functional_type_changed, decision_changed, treatment_changed,
            CASE
                WHEN other_audio THEN 'audio_changed'
                WHEN label_changed AND other_taxonomy THEN 'taxonomy_changed'
                WHEN label_changed AND other_model THEN 'model_changed'
                WHEN label_changed AND $config_changed THEN 'config_changed'
                WHEN label_changed AND other_metadata THEN 'metadata_changed'
                WHEN label_changed THEN 'other_input_changed'
                WHEN other_policy THEN 'policy_changed'
                ELSE 'release_changed'
            END AS cause
        FROM told WHERE label_changed OR treatment_changed
        """,
        {"config_changed": config_changed},
    )
