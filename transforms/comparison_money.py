"""What a change of labels moves: one pool divided with the treatments of two runs, exactly, and who gains and loses."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

from models.payout_shares import SHARE_UNITS, differences, scaled
from transforms.payout_streams import PolicyTerms, StreamsPayout
from transforms.payout_tables import MONEY, SHARE, WEIGHTED, PolicyPayout, policy_payout, table_schema, write_rows
from transforms.run_changes import SIDES

_BATCH_ROWS: Final = 50_000
#: Tracks that a record and a page name, those whose own weight changed most.
TOP_TRACKS: Final = 50
_SHARE_DIGITS: Final = 9

_POLICY_COLUMNS: Final = (
    ("policy_id", pa.string(), False, "The policy."),
    ("policy_version_before", pa.string(), False, "Its version in the run before."),
    ("policy_version_after", pa.string(), False, "Its version in the run after."),
    ("month", pa.string(), False, "The month whose streams were counted, `YYYY-MM`."),
)

MOVED_MONEY: Final = table_schema(
    *_POLICY_COLUMNS,
    ("licensor", pa.string(), True, "From the streams."),
    ("royalty_class", pa.string(), False, "As in `royalty_treatments`, or `unlabelled`."),
    ("share_before", SHARE, False, "Part of the pool with the treatments of the run before, 0 to 1."),
    ("share_after", SHARE, False, "The same with those of the run after."),
    ("share_difference", SHARE, False, "`share_after` less `share_before`; a policy's add up to 0."),
    ("amount_before", MONEY, True, "Part of the pool in its currency; null without a pool."),
    ("amount_after", MONEY, True, "The same with the treatments of the run after."),
    ("amount_difference", MONEY, True, "`amount_after` less `amount_before`; a policy's add up to 0."),
)

MOVED_TRACKS: Final = table_schema(
    *_POLICY_COLUMNS,
    ("track_id", pa.string(), False, "A track whose streams count more or less than before."),
    ("title", pa.string(), True, "From the catalog, in the run after or else before."),
    ("licensor", pa.string(), True, "From the streams."),
    ("streams", pa.int64(), False, "In the month."),
    ("royalty_class_before", pa.string(), False, "In the run before; `unlabelled` without a label."),
    ("royalty_class_after", pa.string(), False, "In the run after."),
    ("weighted_streams_before", WEIGHTED, False, "What the streams counted, in music streams."),
    ("weighted_streams_after", WEIGHTED, False, "What they count now."),
    ("share_difference", pa.float64(), True, "Of the pool, more or less than before; null where no stream earns."),
)
#: What streams add to a comparison, a file each.
MONEY_TABLES: Final = {"moved_money": MOVED_MONEY, "moved_tracks": MOVED_TRACKS}


@dataclasses.dataclass(frozen=True, slots=True)
class MovedMoney:
    """What one policy pays with the labels of two runs.

    Attributes
    ----------
    moved_share
        Part of the pool that goes to other tracks, 0 to 1; null where no stream earns in one of the runs. The money
        that reaches a track in both runs has not moved.
    moved_between_licensors
        The same for licensors, in ``SHARE_UNITS``.
    moved_cents
        What licensors gain that gain, in cents; null without a pool.
    tracks
        Tracks (once for each licensor) whose own weight changed.
    top_tracks
        Rows of ``moved_tracks`` with the largest changes of weight.
    """

    before: PolicyPayout
    after: PolicyPayout
    moved_share: Fraction | None
    moved_between_licensors: int
    moved_cents: int | None
    tracks: int
    top_tracks: tuple[dict[str, Any], ...]

    @property
    def policy_id(self) -> str:
        """The policy."""
        return self.after.terms.policy_id

    @property
    def divided(self) -> bool:
        """Whether streams earn in both runs, so that differences add up to nothing."""
        return self.moved_share is not None


def move_money(
    connection: Any,
    streams: StreamsPayout,
    policies: Sequence[tuple[PolicyTerms, PolicyTerms]],
    pool_cents: int | None,
    output: pathlib.Path,
) -> list[MovedMoney]:
    """Divide the pool under each policy with both runs' treatments; writes ``moved_money`` and ``moved_tracks``.

    Parameters
    ----------
    connection
        With the tables of :func:`transforms.run_changes.load_runs`.
    policies
        The terms of each policy in the run before and in the run after.
    """
    moved: list[MovedMoney] = []

    def track_rows() -> Iterator[list[dict[str, Any]]]:
        for pair in policies:
            payouts = [
                policy_payout(terms, streams.cells(terms.policy_id, side), pool_cents)
                for terms, side in zip(pair, SIDES, strict=True)
            ]
            found = _MovedTracks(connection, payouts[0], payouts[1], streams.month)
            yield from found.batches()
            moved.append(found.moved(pool_cents))

    write_rows(output / "moved_tracks.parquet", MOVED_TRACKS, track_rows())
    write_rows(output / "moved_money.parquet", MOVED_MONEY, (_money_rows(money, streams.month) for money in moved))
    return moved


class _MovedTracks:
    """Reads one policy's tracks whose weight changed, summing up on the way."""

    def __init__(self, connection: Any, before: PolicyPayout, after: PolicyPayout, month: str) -> None:
        self._connection = connection
        self._before, self._after, self._month = before, after, month
        self._totals = [sum(cell.weighted_units for cell in payout.cells) for payout in (before, after)]
        self._left = self._totals[0]  # weight that is the same in both runs, once all that changed is taken off
        self._moved = 0
        self._tracks = 0
        self._top: list[dict[str, Any]] = []

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        found = self._connection.execute(
            """
            SELECT b.track_id, coalesce(labels_after.title, labels_before.title), b.licensor, b.streams::BIGINT,
                b.royalty_class, a.royalty_class, b.weighted_units, a.weighted_units
            FROM counted_streams('before', $policy_id) AS b
            JOIN counted_streams('after', $policy_id) AS a
                ON a.track_id = b.track_id AND a.licensor IS NOT DISTINCT FROM b.licensor
            LEFT JOIN labels_before ON labels_before.track_id = b.track_id
            LEFT JOIN labels_after ON labels_after.track_id = b.track_id
            WHERE b.weighted_units <> a.weighted_units
            ORDER BY abs(a.weighted_units - b.weighted_units) DESC, b.track_id, b.licensor NULLS FIRST
            """,
            {"policy_id": self._after.terms.policy_id},
        )
        while rows := found.fetchmany(_BATCH_ROWS):
            batch = [self._row(*row) for row in rows]
            self._top += batch[: TOP_TRACKS - len(self._top)]
            self._tracks += len(batch)
            yield batch

    def _row(
        self, track_id: str, title: str | None, licensor: str | None, streams: int, class_before: str,
        class_after: str, before: int, after: int,
    ) -> dict[str, Any]:  # fmt: skip
        total_before, total_after = self._totals
        difference = after * total_before - before * total_after
        self._moved += abs(difference)
        self._left -= before
        whole = total_before * total_after
        return {
            **_policy_columns(self._before, self._after, self._month),
            "track_id": track_id,
            "title": title,
            "licensor": licensor,
            "streams": streams,
            "royalty_class_before": class_before,
            "royalty_class_after": class_after,
            "weighted_streams_before": scaled(before, 9),
            "weighted_streams_after": scaled(after, 9),
            "share_difference": float(Fraction(difference, whole)) if whole else None,
        }

    def moved(self, pool_cents: int | None) -> MovedMoney:
        """Sum up; only after all of :meth:`batches`."""
        total_before, total_after = self._totals
        share = None
        if total_before and total_after:
            # A track of unchanged weight gets another part of the pool when the weights of all add up to another sum.
            share = Fraction(self._moved + self._left * abs(total_before - total_after), 2 * total_before * total_after)
        return MovedMoney(
            self._before, self._after, share, _gained(self._before.shares, self._after.shares),
            None if pool_cents is None else _gained(self._before.cents, self._after.cents), self._tracks,
            tuple(self._top),
        )  # fmt: skip


def _gained(before: Any, after: Any) -> int:
    """What the licensors that gain gain together."""
    by_licensor: dict[str | None, int] = {}
    for (licensor, _), was, now in differences(before, after):
        by_licensor[licensor] = by_licensor.get(licensor, 0) + now - was
    return sum(difference for difference in by_licensor.values() if difference > 0)


def _policy_columns(before: PolicyPayout, after: PolicyPayout, month: str) -> dict[str, Any]:
    return {
        "policy_id": after.terms.policy_id,
        "policy_version_before": before.terms.version,
        "policy_version_after": after.terms.version,
        "month": month,
    }


def _money_rows(money: MovedMoney, month: str) -> list[dict[str, Any]]:
    before, after = money.before, money.after
    cents = {key: (was, now) for key, was, now in differences(before.cents, after.cents)}
    has_pool = money.moved_cents is not None
    return [
        {
            **_policy_columns(before, after, month),
            "licensor": key[0],
            "royalty_class": key[1],
            "share_before": scaled(was, _SHARE_DIGITS),
            "share_after": scaled(now, _SHARE_DIGITS),
            "share_difference": scaled(now - was, _SHARE_DIGITS),
            "amount_before": _amount(cents[key][0]) if has_pool else None,
            "amount_after": _amount(cents[key][1]) if has_pool else None,
            "amount_difference": _amount(cents[key][1] - cents[key][0]) if has_pool else None,
        }
        for key, was, now in differences(before.shares, after.shares)
    ]


def _amount(cents: int) -> Decimal:
    return scaled(cents, 2)


def share_of_pool(units: int) -> Fraction:
    """``SHARE_UNITS`` as a part of the pool."""
    return Fraction(units, SHARE_UNITS)
