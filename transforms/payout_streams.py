"""Streams and treatments → what each licensor's tracks of each class count under each policy, counted by DuckDB.

Streams reach DuckDB as Arrow; paths, dates and names as parameters, never as text of a statement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from models.errors import UserError
from models.payout_shares import WEIGHT_UNITS, PayoutCell
from transforms.streams_parquet import STREAMS, read_streams
from transforms.warehouse_tables import create_table, insert

UNLABELLED: Final = "unlabelled"
_BATCH_ROWS: Final = 50_000
#: So that every sum fits a 64-bit column.
_MOST_STREAMS: Final = 10**18


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
        Parquet files; the streams from :func:`transforms.streams_parquet.find_stream_files`.
    policies
        Each ``policy_id`` once.
    month
        ``YYYY-MM``; null for the latest month that has streams.
    memory_limit, threads
        DuckDB's; what does not fit goes to a temporary folder.

    Raises
    ------
    UserError
        A row of streams that makes no sense, or no streams in the month.
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
            _load_streams(connection, streams)
            month, first_month = _month_and_first(connection, month)
            _count_month(connection, month)
            _load_treatments(connection, treatments, policies)
            yield StreamsPayout(connection, month, first_month)
        finally:
            connection.close()


def _load_streams(connection: Any, paths: Sequence[str]) -> None:
    create_table(connection, "streams", STREAMS)
    for batch in read_streams(paths):  # one by one: an error in a reader of DuckDB's would come out as DuckDB's own
        insert(connection, "streams", STREAMS, [batch])


def _month_and_first(connection: Any, month: str | None) -> tuple[str, str]:
    """Give the month, by default the latest, and the first of its 12 that has streams."""
    latest, total = connection.execute("SELECT max(month), coalesce(sum(streams), 0)::HUGEINT FROM streams").fetchone()
    if total > _MOST_STREAMS:
        raise UserError(f"--streams: the rows add up to {total} streams, which is more than there can be.")
    if latest is None:
        raise UserError("--streams: the files hold no rows.")
    month = month or latest
    earliest, rows = connection.execute(
        "SELECT min(month), count(*) FILTER (month = $month) FROM streams WHERE month BETWEEN $first AND $month",
        {"month": month, "first": first_of_12(month)},
    ).fetchone()
    if not rows:
        raise UserError(f"--month {month}: no streams are of that month; the latest is {latest}.")
    return month, earliest


def _count_month(connection: Any, month: str) -> None:
    # A track's streams in 12 months are those of all its licensors together.
    connection.execute(
        """
        CREATE TEMP TABLE month_streams AS
        WITH counted AS (
            SELECT track_id, licensor,
                coalesce(sum(streams) FILTER (month = $month), 0)::HUGEINT AS streams,
                sum(streams)::HUGEINT AS streams_12m,
                bool_or(month = $month) AS in_month
            FROM streams
            WHERE month BETWEEN $first AND $month
            GROUP BY track_id, licensor
        ), of_track AS (
            SELECT track_id, sum(streams_12m)::HUGEINT AS streams_12m FROM counted GROUP BY track_id
        )
        SELECT counted.track_id, counted.licensor, counted.streams, of_track.streams_12m
        FROM counted JOIN of_track USING (track_id) WHERE counted.in_month
        """,
        {"month": month, "first": first_of_12(month)},
    )
    connection.execute("DROP TABLE streams")


def _load_treatments(connection: Any, paths: Sequence[str], policies: Sequence[PolicyTerms]) -> None:
    connection.execute("CREATE TEMP TABLE policies (policy_id VARCHAR, min_streams_12m BIGINT)")
    connection.executemany(
        "INSERT INTO policies VALUES ($1, $2)", [[policy.policy_id, policy.min_streams_12m] for policy in policies]
    )
    try:
        connection.execute(
            """
            CREATE TEMP TABLE treatments AS
            SELECT track_id, policy_id, royalty_class, eligible,
                CAST(round(stream_weight * $full_weight) AS BIGINT) AS weight_units
            FROM read_parquet($files, hive_partitioning = false) WHERE policy_id IN (SELECT policy_id FROM policies)
            """,
            {"files": _literal(paths), "full_weight": WEIGHT_UNITS},
        )
    except duckdb.IOException as error:  # the names of files carry a digest, so this is never another run's content
        raise UserError(
            f"--tables: a file of the run cannot be read ({' '.join(str(error).split())[:300]}); another run may have "
            "taken its place meanwhile, so run the same command again."
        ) from error


def _literal(paths: Sequence[str]) -> list[str]:
    """Paths that DuckDB takes for those very files: it would look for matches of a path with ``[``, ``*`` or ``?``."""
    return [re.sub(r"([*?[])", r"[\1]", path) for path in paths]


def first_of_12(month: str) -> str:
    """First of the 12 months that end with ``month``, both ``YYYY-MM``."""
    year, number = map(int, month.split("-"))
    months = max(year * 12 + number - 12, 0)
    return f"{months // 12:04d}-{months % 12 + 1:02d}"
