"""Streams and treatments → what each licensor's tracks of each class count under each policy, counted by DuckDB.

Streams reach DuckDB as Arrow; paths, dates and names as parameters, never as text of a statement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from models.errors import UserError
from models.payout_shares import WEIGHT_UNITS, PayoutCell
from transforms.streams_parquet import MOST_STREAMS, STREAMS, read_streams
from transforms.warehouse_tables import create_table, insert

UNLABELLED: Final = "unlabelled"
#: What is read of ``royalty_treatments``.
TREATMENT_COLUMNS: Final = (
    "track_id",
    "policy_id",
    "policy_version",
    "royalty_class",
    "eligible",
    "stream_weight",
)
_BATCH_ROWS: Final = 50_000


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
    """The streams of one month in a DuckDB database, to be joined with the treatments of one run or several.

    Parameters
    ----------
    connection
        A database; the tables ``streams``, ``month_streams``, ``policies`` and ``treatments`` are made in it.
    streams
        From :func:`transforms.streams_parquet.find_stream_files`.
    month
        ``YYYY-MM``; null for the latest month that has streams.

    Attributes
    ----------
    month
        ``YYYY-MM``.
    first_month
        The earliest of the 12 months up to ``month`` that has streams.

    Raises
    ------
    UserError
        A row of streams that makes no sense, or no streams in the month.
    """

    def __init__(self, connection: Any, streams: Sequence[str], month: str | None) -> None:
        self._connection = connection
        _load_streams(connection, streams)
        self.month, self.first_month = _month_and_first(connection, month)
        _count_month(connection, self.month)
        create_treatments(connection)
        # A macro, so that whoever asks about cells and whoever asks about tracks count alike.
        connection.execute(
            f"""
            CREATE MACRO counted_streams(of_run, of_policy) AS TABLE
            SELECT month_streams.track_id, month_streams.licensor, month_streams.streams,
                coalesce(treatments.royalty_class, '{UNLABELLED}') AS royalty_class,
                coalesce(treatments.eligible, true) AS eligible,
                month_streams.streams_12m >= coalesce(policies.min_streams_12m, 0) AS enough,
                CASE WHEN coalesce(treatments.eligible, true)
                    AND month_streams.streams_12m >= coalesce(policies.min_streams_12m, 0)
                    THEN month_streams.streams * coalesce(treatments.weight_units, {WEIGHT_UNITS}) ELSE 0
                    END::HUGEINT AS weighted_units
            FROM month_streams
            CROSS JOIN (SELECT * FROM policies WHERE run = of_run AND policy_id = of_policy) AS policies
            LEFT JOIN (SELECT * FROM treatments WHERE run = of_run AND policy_id = of_policy) AS treatments
                ON treatments.track_id = month_streams.track_id
            """  # noqa: S608 - constants
        )

    def cells(self, policy_id: str, run: str = "") -> list[PayoutCell]:
        """Count one policy's cells, in no order."""
        rows = self._connection.execute(
            """
            SELECT licensor, royalty_class, count(*), sum(streams)::HUGEINT,
                coalesce(sum(streams) FILTER (NOT eligible), 0)::HUGEINT,
                coalesce(sum(streams) FILTER (eligible AND NOT enough), 0)::HUGEINT,
                sum(weighted_units)::HUGEINT
            FROM counted_streams($run, $policy_id)
            GROUP BY licensor, royalty_class
            """,
            {"policy_id": policy_id, "run": run},
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
def bounded_database(memory_limit: str = "3GB", threads: int = 2) -> Iterator[Any]:
    """A DuckDB database that is gone afterwards; what does not fit in ``memory_limit`` goes to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="earmark-database-") as folder:
        config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": folder,
            "preserve_insertion_order": False,
        }
        connection = duckdb.connect(config=config)
        try:
            yield connection
        finally:
            connection.close()


@contextlib.contextmanager
def open_payout(
    streams: Sequence[str],
    treatments: Iterable[pa.RecordBatch],
    policies: Sequence[PolicyTerms],
    month: str | None,
) -> Iterator[StreamsPayout]:
    """Read the streams of a month and join what is needed of one run's treatments.

    Parameters
    ----------
    streams, month
        See :class:`StreamsPayout`.
    treatments
        Rows with at least the columns of :data:`TREATMENT_COLUMNS`.
    policies
        Each ``policy_id`` once.

    Raises
    ------
    UserError
        A row of streams that makes no sense, or no streams in the month.
    """
    with bounded_database() as connection:
        payout = StreamsPayout(connection, streams, month)
        load_treatments(connection, treatments, policies)
        yield payout


def _load_streams(connection: Any, paths: Sequence[str]) -> None:
    create_table(connection, "streams", STREAMS)
    for batch in read_streams(paths):  # one by one: an error in a reader of DuckDB's would come out as DuckDB's own
        insert(connection, "streams", STREAMS, [batch])


def _month_and_first(connection: Any, month: str | None) -> tuple[str, str]:
    """Give the month, by default the latest, and the first of its 12 that has streams."""
    latest, total = connection.execute("SELECT max(month), coalesce(sum(streams), 0)::HUGEINT FROM streams").fetchone()
    if total > MOST_STREAMS:
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


def create_treatments(connection: Any) -> None:
    """Make the tables that :func:`load_treatments` fills, unless they are there."""
    connection.execute("CREATE TABLE IF NOT EXISTS policies (run VARCHAR, policy_id VARCHAR, min_streams_12m BIGINT)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS treatments (run VARCHAR, track_id VARCHAR, policy_id VARCHAR, "
        "policy_version VARCHAR, royalty_class VARCHAR, eligible BOOLEAN, weight_units BIGINT)"
    )


def load_treatments(
    connection: Any, batches: Iterable[pa.RecordBatch], policies: Sequence[PolicyTerms], run: str = ""
) -> None:
    """Add the treatments of one run under these policies."""
    for policy in policies:
        connection.execute("INSERT INTO policies VALUES ($1, $2, $3)", [run, policy.policy_id, policy.min_streams_12m])
    for batch in batches:
        connection.register("incoming", batch)
        connection.execute(
            """
            INSERT INTO treatments
            SELECT $run, track_id, policy_id, policy_version, royalty_class, eligible,
                CAST(round(stream_weight * $full_weight) AS BIGINT)
            FROM incoming WHERE policy_id IN (SELECT policy_id FROM policies WHERE run = $run)
            """,
            {"full_weight": WEIGHT_UNITS, "run": run},
        )
        connection.unregister("incoming")


def first_of_12(month: str) -> str:
    """First of the 12 months that end with ``month``, both ``YYYY-MM``."""
    year, number = map(int, month.split("-"))
    months = max(year * 12 + number - 12, 0)
    return f"{months // 12:04d}-{months % 12 + 1:02d}"
