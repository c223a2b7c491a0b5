"""The figures of a run's page that its manifest does not hold, counted from the tables in passes of bounded memory.

DuckDB counts what Arrow reads, a part at a time, and puts on the disk what outgrows its share of memory. No value of a
catalog stands in a statement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from transforms.run_tables import RunTables
from transforms.streams_parquet import read_streams

#: Bins of the histogram of confidence, over 0 to 1.
CONFIDENCE_BINS: Final = 20
_EXAMPLES_PER_CAUSE: Final = 3
#: Licensors that the page lists; the others are one line.
_MOST_LICENSORS: Final = 20
#: Of the database: beside a run that has just ended, and where streams are joined, which is a job of its own.
_MEMORY_LIMIT: Final = "150MB"
_MEMORY_WITH_STREAMS: Final = "1GB"


class FiguresError(Exception):
    """A table cannot be counted: it is gone, damaged, or larger than the disk has room for."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReviewItem:
    """One audio that waits for a person, whatever number of tracks carry it.

    Attributes
    ----------
    label
        The row of ``track_labels`` of its first track in the queue.
    tracks
        How many tracks with this audio wait for review.
    streams
        Their streams in the latest month; null without streams.
    segments
        The rows of ``track_segments`` of that first track, by time.
    """

    label: dict[str, Any]
    tracks: int
    streams: int | None
    segments: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class CauseOfDeath:
    """One cause of dead letters in one stage.

    Attributes
    ----------
    examples
        The first few of its rows of ``dead_letters``.
    """

    stage: str
    error_type: str
    rows: int
    examples: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class TreatmentCount:
    """How many labelled tracks a policy treats alike."""

    policy_id: str
    policy_version: str
    royalty_class: str
    eligible: bool
    stream_weight: float
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class LicensorCount:
    """The streamed tracks of one licensor in the latest month, or without streams its labelled ones.

    Attributes
    ----------
    licensor
        Null for streams, or tracks, without one.
    others
        How many licensors this line sums up; 0 for a line of one licensor.
    music, functional, speech, unlabelled
        Its tracks.
    review
        Those of its tracks that wait for a person.
    streams, functional_streams
        Its streams; 0 without.
    """

    licensor: str | None
    others: int
    music: int
    functional: int
    speech: int
    unlabelled: int
    review: int
    streams: int
    functional_streams: int


@dataclasses.dataclass(frozen=True, slots=True)
class RunFigures:
    """Everything that is counted from the tables.

    Attributes
    ----------
    confidence
        Labels by decision and bin of confidence.
    review_audios
        How many distinct audio files wait for review.
    queue
        The first of them, by streams, then by tracks, then the least confident first.
    month
        Of the streams, ``YYYY-MM``; null without.
    licensors
        By streams. Without streams those of the catalog, by tracks; empty when it names none.
    """

    confidence: dict[str, list[int]]
    review_audios: int
    queue: list[ReviewItem]
    causes: list[CauseOfDeath]
    treatments: list[TreatmentCount]
    month: str | None
    licensors: list[LicensorCount]


def count_figures(tables: RunTables, review_tracks: int, stream_files: Sequence[str] = ()) -> RunFigures:
    """Count the figures of a run's page.

    Parameters
    ----------
    tables
        The run's.
    review_tracks
        How many of the review queue to give.
    stream_files
        From :func:`transforms.streams_parquet.find_stream_files`.

    Raises
    ------
    UserError
        A file of streams holds bad values.
    FiguresError, OSError, pyarrow.ArrowException
        A table cannot be read.
    """
    with _Counter(tables, _MEMORY_WITH_STREAMS if stream_files else _MEMORY_LIMIT) as counter:
        month = counter.take_streams(stream_files)
        queue, review_audios = counter.review_queue(review_tracks, month)
        return RunFigures(
            confidence=counter.confidence(),
            review_audios=review_audios,
            queue=queue,
            causes=counter.causes(),
            treatments=counter.treatments(),
            month=month,
            licensors=counter.licensors() if month is not None else counter.catalog_licensors(),
        )


class _Counter:
    def __init__(self, tables: RunTables, memory_limit: str) -> None:
        self._tables, self._memory_limit = tables, memory_limit

    def __enter__(self) -> _Counter:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="earmark-report-"))
            settings = {"memory_limit": self._memory_limit, "temp_directory": folder, "threads": 2}
            # A file, so that the review queue of a large catalog need not fit into memory.
            self._connection = stack.enter_context(duckdb.connect(f"{folder}/figures.duckdb", config=settings))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def _query(self, statement: str, table: str | None = None, columns: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; of ``table``, when one is named, it finds these columns under the name ``incoming``."""
        try:
            with self._incoming(table, columns):
                found: list[tuple[Any, ...]] = self._connection.execute(statement).fetchall()
        except duckdb.Error as error:
            raise FiguresError(str(error).partition("\n")[0].partition(". Detail: ")[0]) from error
        return found

    @contextlib.contextmanager
    def _incoming(self, table: str | None, columns: Sequence[str]) -> Iterator[None]:
        if table is None:
            yield
            return
        self._connection.register("incoming", self._tables.reader(table, columns))
        try:
            yield
        finally:
            self._connection.unregister("incoming")

    def take_streams(self, files: Sequence[str]) -> str | None:
        """Keep the streams of the latest month; gives that month."""
        months = (str(month) for batch in read_streams(files) for month in batch.column("month").unique().to_pylist())
        month = max(months, default=None)
        if month is None:
            return None
        self._connection.execute("CREATE TABLE streams (track_id VARCHAR, licensor VARCHAR, streams BIGINT)")
        for batch in read_streams(files):
            self._connection.register("incoming", batch)
            self._connection.execute(
                "INSERT INTO streams SELECT track_id, licensor, streams FROM incoming WHERE month = ?",
                [month],
            )
            self._connection.unregister("incoming")
        self._connection.execute(
            "CREATE TABLE stakes AS SELECT track_id, sum(streams)::BIGINT AS streams FROM streams GROUP BY track_id"
        )
        return month

    def confidence(self) -> dict[str, list[int]]:
        rows = self._query(
            f"SELECT decision, least(floor(confidence * {CONFIDENCE_BINS}), {CONFIDENCE_BINS - 1})::INTEGER, count(*) "  # noqa: S608
            "FROM incoming GROUP BY ALL",
            "track_labels",
            ["decision", "confidence"],
        )
        counts = {"auto": [0] * CONFIDENCE_BINS, "review": [0] * CONFIDENCE_BINS}
        for decision, place, number in rows:
            counts[decision][max(0, place)] += number
        return counts

    def review_queue(self, most: int, month: str | None) -> tuple[list[ReviewItem], int]:
        self._query(
            "CREATE TABLE review AS SELECT track_id, audio_sha256, confidence FROM incoming WHERE decision = 'review'",
            "track_labels",
            ["track_id", "audio_sha256", "confidence", "decision"],
        )
        stakes = "coalesce(sum(k.streams), 0)" if month is not None else "NULL"
        join = "LEFT JOIN stakes AS k ON k.track_id = r.track_id" if month is not None else ""
        first = self._query(
            f"SELECT min(r.track_id), count(*), {stakes}::BIGINT AS streams FROM review AS r {join} "  # noqa: S608
            "GROUP BY r.audio_sha256 "
            f"ORDER BY streams DESC, count(*) DESC, min(r.confidence), min(r.track_id) LIMIT {int(most)}"
        )
        ((audios,),) = self._query("SELECT count(DISTINCT audio_sha256) FROM review")
        track_ids = {track_id for track_id, _, _ in first}
        labels = {row["track_id"]: row for row in self._tables.rows_of_tracks("track_labels", track_ids)}
        segments: dict[str, list[dict[str, Any]]] = {track_id: [] for track_id in track_ids}
        for row in self._tables.rows_of_tracks("track_segments", track_ids):
            segments[row["track_id"]].append(row)
        return [
            ReviewItem(
                labels[track_id], tracks, streams, sorted(segments[track_id], key=lambda segment: segment["start_s"])
            )
            for track_id, tracks, streams in first
        ], audios

    def causes(self) -> list[CauseOfDeath]:
        columns = ["track_id", "catalog_row", "stage", "error_type", "message"]
        rows = self._query(
            "SELECT stage, error_type, count(*), "  # noqa: S608 - a number of ours
            f"min({{c: catalog_row, i: track_id, m: message}}, {_EXAMPLES_PER_CAUSE}) "
            "FROM incoming GROUP BY ALL ORDER BY count(*) DESC, stage, error_type",
            "dead_letters",
            columns,
        )
        return [
            CauseOfDeath(
                stage, error_type, number,
                [{"track_id": e["i"], "catalog_row": e["c"], "message": e["m"]} for e in examples],
            )
            for stage, error_type, number, examples in rows
        ]  # fmt: skip

    def treatments(self) -> list[TreatmentCount]:
        columns = ["policy_id", "policy_version", "royalty_class", "eligible", "stream_weight"]
        rows = self._query(
            f"SELECT {', '.join(columns)}, count(*) FROM incoming GROUP BY ALL ORDER BY ALL",  # noqa: S608
            "royalty_treatments",
            columns,
        )
        return [TreatmentCount(*row) for row in rows]

    def licensors(self) -> list[LicensorCount]:
        rows = self._query(
            """
            SELECT s.licensor, count(*) FILTER (l.category = 'music'), count(*) FILTER (l.category = 'functional'),
                count(*) FILTER (l.category = 'speech'), count(*) FILTER (l.category IS NULL),
                count(*) FILTER (l.decision = 'review'), sum(s.streams)::BIGINT,
                coalesce(sum(s.streams) FILTER (l.category = 'functional'), 0)::BIGINT
            FROM (SELECT track_id, licensor, sum(streams) AS streams FROM streams GROUP BY ALL) AS s
            LEFT JOIN incoming AS l ON l.track_id = s.track_id
            GROUP BY s.licensor ORDER BY sum(s.streams) DESC, s.licensor
            """,
            "track_labels",
            ["track_id", "category", "decision"],
        )
        return _listed(rows)

    def catalog_licensors(self) -> list[LicensorCount]:
        rows = self._query(
            """
            SELECT licensor, count(*) FILTER (category = 'music'), count(*) FILTER (category = 'functional'),
                count(*) FILTER (category = 'speech'), 0, count(*) FILTER (decision = 'review'), 0, 0
            FROM incoming GROUP BY licensor ORDER BY count(*) DESC, licensor
            """,
            "track_labels",
            ["licensor", "category", "decision"],
        )
        return _listed(rows) if any(row[0] is not None for row in rows) else []


def _listed(rows: Sequence[tuple[Any, ...]]) -> list[LicensorCount]:
    """The first licensors one by one, and the rest in one line."""
    listed = [LicensorCount(licensor, 0, *numbers) for licensor, *numbers in rows[:_MOST_LICENSORS]]
    if rest := rows[_MOST_LICENSORS:]:
        listed.append(
            LicensorCount(None, len(rest), *(sum(column) for column in zip(*(r[1:] for r in rest), strict=True)))
        )
    return listed
