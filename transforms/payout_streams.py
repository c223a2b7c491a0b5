"""Streams and treatments → what each licensor's tracks of each class count under each policy, counted by DuckDB.

Paths, dates and names reach DuckDB as parameters, never as text of a statement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from models.errors import UserError
from models.payout_shares import WEIGHT_UNITS, PayoutCell
from transforms.streams_parquet import MOST_STREAMS

UNLABELLED: Final = "unlabelled"
_COLUMNS: Final = {
    "track_id": ("VARCHAR",),
    "month": ("VARCHAR", "DATE"),
    "licensor": ("VARCHAR",),
    "streams": ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT"),
}
_BATCH_ROWS: Final = 50_000
#: A folder named ``licensor=A`` says nothing of the rows, and counts may be narrow in one file and wide in another.
_READ: Final = "read_parquet($files, hive_partitioning = false, union_by_name = true)"
MONTH_PATTERN: Final = "[0-9]{4}-(0[1-9]|1[0-2])"


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyTerms:
    """What a policy asks of streams.

    Attributes
    ----------
    min_streams_12m
        Fewest streams in 12 months; null for none.
    """

    policy_id: str
    version: str
    min_streams_12m: int | None


def streams_files(pattern: str) -> list[str]:
    """Find the files of ``--streams``, sorted.

    Raises
    ------
    UserError
        There is none.
    """
    if "://" in pattern:
        raise UserError(f"--streams {pattern}: is read from a local disk only; copy the files there first.")
    found = [pattern] if os.path.isfile(pattern) else glob.glob(pattern, recursive=True)  # noqa: PTH113, PTH207
    files = sorted(path for path in found if os.path.isfile(path))  # noqa: PTH113
    if not files:
        raise UserError(f"--streams {pattern}: matches no file; give a Parquet file or a quoted glob of them.")
    return files


class StreamsPayout:
    """The streams of one month, joined with a run's treatments; made by :func:`open_payout`.

    Attributes
    ----------
    month
        ``YYYY-MM``.
    first_month
        The earliest of the 12 months up to ``month`` that has streams.
    """

    def __init__(self, connection: Any, month: str, first_month: str) -> None:
        self._connection = connection
        self.month = month
        self.first_month = first_month

    def cells(self, policy_id: str) -> list[PayoutCell]:
        """Count one policy's cells, in no order."""
        rows = self._connection.execute(
            """
            SELECT licensor, royalty_class, count(*), sum(streams)::HUGEINT,
                coalesce(sum(streams) FILTER (NOT eligible), 0)::HUGEINT,
                coalesce(sum(streams) FILTER (eligible AND NOT enough), 0)::HUGEINT,
                coalesce(sum(streams * weight_units) FILTER (eligible AND enough), 0)::HUGEINT
            FROM (
                SELECT month_streams.licensor, month_streams.streams,
                    coalesce(treatments.royalty_class, $unlabelled) AS royalty_class,
                    coalesce(treatments.eligible, true) AS eligible,
                    coalesce(treatments.weight_units, $full_weight) AS weight_units,
                    month_streams.streams_12m >= coalesce(policies.min_streams_12m, 0) AS enough
                FROM month_streams
                CROSS JOIN (SELECT * FROM policies WHERE policy_id = $policy_id) AS policies
                LEFT JOIN (SELECT * FROM treatments WHERE policy_id = $policy_id) AS treatments
                    ON treatments.track_id = month_streams.track_id
            )
            GROUP BY licensor, royalty_class
            """,
            {"policy_id": policy_id, "unlabelled": UNLABELLED, "full_weight": WEIGHT_UNITS},
        ).fetchall()
        return [PayoutCell(*row) for row in rows]

    def unlabelled_tracks(self) -> Iterator[list[tuple[str, str | None, int]]]:
        """Tracks that have streams in the month and no label, in batches of (track_id, licensor, streams), sorted."""
        found = self._connection.execute(
            """
            SELECT track_id, licensor, streams::BIGINT FROM month_streams
            WHERE track_id NOT IN (SELECT track_id FROM treatments)
            ORDER BY track_id, licensor NULLS FIRST
            """
        )
        while batch := found.fetchmany(_BATCH_ROWS):
            yield batch


@contextlib.contextmanager
def open_payout(
    streams: Sequence[str], treatments: Sequence[str], policies: Sequence[PolicyTerms], month: str | None,
    *, memory_limit: str = "3GB", threads: int = 2,
) -> Iterator[StreamsPayout]:  # fmt: skip
    """Read and check the streams, and join what is needed of the treatments.

    Parameters
    ----------
    streams, treatments
        Parquet files.
    policies
        Each ``policy_id`` once.
    month
        ``YYYY-MM``; null for the latest month that has streams.
    memory_limit, threads
        DuckDB's; what does not fit goes to a temporary folder.

    Raises
    ------
    UserError
        A streams file that is no Parquet or lacks a column, a row that makes no sense, or no streams in the month.
    """
    with tempfile.TemporaryDirectory(prefix="earmark-payout-") as temporary_folder:
        config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": temporary_folder,
            "preserve_insertion_order": False,
        }
        connection = duckdb.connect(config=config)
        try:
            month_text = _check_columns(connection, streams)
            with _damage_told():
                month, first_month = _check_rows(connection, streams, month_text, month)
                _load(connection, streams, month_text, treatments, policies, month)
            yield StreamsPayout(connection, month, first_month)
        finally:
            connection.close()


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Pages that are damaged show only when they are read."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"--streams: the files cannot be read to their end ({reason}); write or copy them anew."
        ) from error


def _check_columns(connection: Any, streams: Sequence[str]) -> str:
    """Give the expression for a row's month as text; files must agree in their columns."""
    expressions = set()
    for path in streams:
        try:
            described = connection.execute(
                f"DESCRIBE SELECT * FROM {_READ}",  # noqa: S608 - a constant
                {"files": _literal([path])},
            ).fetchall()
        except duckdb.Error as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"--streams {path}: cannot be read ({reason}); give Parquet files.") from error
        types = {name: data_type for name, data_type, *_ in described}
        for column, allowed in _COLUMNS.items():
            if column not in types:
                raise UserError(
                    f"--streams {path}: has no column {column}; it needs {', '.join(_COLUMNS)}, and has "
                    f"{', '.join(map(repr, list(types)[:20])) or 'none'}."
                )
            if types[column] not in allowed:
                raise UserError(
                    f"--streams {path}: the column {column} is of type {types[column]}; it must be "
                    f"{' or '.join(allowed[:2])}."
                )
        expressions.add("strftime(month, '%Y-%m')" if types["month"] == "DATE" else "month")
    if len(expressions) > 1:
        raise UserError("--streams: month is a date in some files and text in others; give it one type.")
    return expressions.pop()


def _check_rows(connection: Any, streams: Sequence[str], month_text: str, month: str | None) -> tuple[str, str]:
    """Refuse rows that would be counted wrongly; give the month and the first of its 12 that has streams."""
    row = connection.execute(
        f"""
        SELECT coalesce(max(month_text), ''),
            count(*) FILTER (track_id IS NULL OR track_id = ''),
            count(*) FILTER (streams IS NULL OR streams < 0),
            any_value(track_id) FILTER (streams IS NULL OR streams < 0),
            coalesce(sum(streams), 0)::HUGEINT,
            count(*) FILTER (NOT is_month),
            any_value(month_text) FILTER (NOT is_month)
        FROM (
            SELECT track_id, streams, {month_text} AS month_text,
                coalesce(regexp_full_match(month_text, $month_pattern), false) AS is_month
            FROM {_READ}
        )
        """,  # noqa: S608 - one of two constants
        {"files": _literal(streams), "month_pattern": MONTH_PATTERN},
    ).fetchone()
    latest, no_track, wrong_streams, track_id, total, wrong_month, some_month = row
    if no_track:
        raise UserError(f"--streams: {no_track} rows have no track_id; leave them out, or give them one.")
    if wrong_streams:
        raise UserError(
            f"--streams: {wrong_streams} rows have streams that are negative or null, such as one of track "
            f"{str(track_id)[:100]!r}; corrections must be added to the month that they correct."
        )
    if total > MOST_STREAMS:
        raise UserError(f"--streams: the rows add up to {total} streams, which is more than there can be.")
    if wrong_month:
        raise UserError(
            f"--streams: {wrong_month} rows have a month such as {str(some_month)[:40]!r}; write it as YYYY-MM, or as "
            "the date of any of its days."
        )
    if not latest:
        raise UserError("--streams: the files hold no rows.")
    month = month or latest
    earliest, rows = connection.execute(
        f"""
        SELECT min(month_text), count(*) FILTER (month_text = $month)
        FROM (SELECT {month_text} AS month_text FROM {_READ})
        WHERE month_text BETWEEN $first AND $month
        """,  # noqa: S608
        {"files": _literal(streams), "month": month, "first": first_of_12(month)},
    ).fetchone()
    if not rows:
        raise UserError(f"--month {month}: no streams are of that month; the latest is {latest}.")
    return month, earliest


def _load(
    connection: Any, streams: Sequence[str], month_text: str, treatments: Sequence[str],
    policies: Sequence[PolicyTerms], month: str,
) -> None:  # fmt: skip
    connection.execute("CREATE TEMP TABLE policies (policy_id VARCHAR, min_streams_12m BIGINT)")
    connection.executemany(
        "INSERT INTO policies VALUES ($1, $2)", [[policy.policy_id, policy.min_streams_12m] for policy in policies]
    )
    try:
        connection.execute(
            f"""
            CREATE TEMP TABLE treatments AS
            SELECT track_id, policy_id, royalty_class, eligible,
                CAST(round(stream_weight * $full_weight) AS BIGINT) AS weight_units
            FROM {_READ} WHERE policy_id IN (SELECT policy_id FROM policies)
            """,  # noqa: S608 - a constant
            {"files": _literal(treatments), "full_weight": WEIGHT_UNITS},
        )
    except duckdb.IOException as error:  # the names of files carry a digest, so this is never another run's content
        raise UserError(
            f"--tables: a file of the run cannot be read ({' '.join(str(error).split())[:300]}); another run may have "
            "taken its place meanwhile, so run the same command again."
        ) from error
    # A track's streams in 12 months are those of all its licensors together.
    connection.execute(
        f"""
        CREATE TEMP TABLE month_streams AS
        WITH counted AS (
            SELECT track_id, licensor,
                coalesce(sum(streams) FILTER (month_text = $month), 0)::HUGEINT AS streams,
                sum(streams)::HUGEINT AS streams_12m,
                bool_or(month_text = $month) AS in_month
            FROM (SELECT *, {month_text} AS month_text FROM {_READ})
            WHERE month_text BETWEEN $first AND $month
            GROUP BY track_id, licensor
        ), of_track AS (
            SELECT track_id, sum(streams_12m)::HUGEINT AS streams_12m FROM counted GROUP BY track_id
        )
        SELECT counted.track_id, counted.licensor, counted.streams, of_track.streams_12m
        FROM counted JOIN of_track USING (track_id) WHERE counted.in_month
        """,  # noqa: S608
        {"files": _literal(streams), "month": month, "first": first_of_12(month)},
    )


def _literal(paths: Sequence[str]) -> list[str]:
    """Paths that DuckDB takes for those very files: it would look for matches of a path with ``[``, ``*`` or ``?``."""
    return [re.sub(r"([*?[])", r"[\1]", path) for path in paths]


def first_of_12(month: str) -> str:
    """First of the 12 months that end with ``month``, both ``YYYY-MM``."""
    year, number = map(int, month.split("-"))
    months = max(year * 12 + number - 12, 0)
    return f"{months // 12:04d}-{months % 12 + 1:02d}"
