"""The payout preview's own tables: schemas, rows and files."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from models.payout_shares import SHARE_UNITS, CellKey, PayoutCell, cell_order, differences, divide_pool, scaled
from transforms.output_folders import partial_file
from transforms.payout_streams import PolicyTerms, StreamsPayout

_CENT_DIGITS: Final = 2
_SHARE_DIGITS: Final = len(str(SHARE_UNITS)) - 1
MONEY: Final = pa.decimal128(18, _CENT_DIGITS)
SHARE: Final = pa.decimal128(10, _SHARE_DIGITS)
WEIGHTED: Final = pa.decimal128(38, 9)


def table_schema(*columns: tuple[str, pa.DataType, bool, str]) -> pa.Schema:
    """A schema of columns given as name, type, nullable and description."""
    return pa.schema(
        [
            pa.field(name, data_type, nullable=nullable, metadata={"description": description})
            for name, data_type, nullable, description in columns
        ]
    )


_PREVIEW_COLUMNS: Final = (
    ("month", pa.string(), False, "The month whose pool is divided, `YYYY-MM`."),
    ("run_id", pa.string(), False, "The run whose treatments were applied."),
)

PAYOUT_SPLIT: Final = table_schema(
    ("policy_id", pa.string(), False, "The policy."),
    ("policy_version", pa.string(), False, "Its version."),
    ("licensor", pa.string(), True, "From the streams."),
    (
        "royalty_class",
        pa.string(),
        False,
        "As in `royalty_treatments`, or `unlabelled`: streams of a track without a label.",
    ),
    ("tracks", pa.int64(), False, "Tracks with a row in the month."),
    ("streams", pa.int64(), False, "All streams of the month."),
    ("ineligible_streams", pa.int64(), False, "Those of tracks that the policy does not pay."),
    ("below_minimum_streams", pa.int64(), False, "Those of tracks with too few streams in 12 months."),
    ("weighted_streams", WEIGHTED, False, "What the others count, in music streams."),
    ("share", SHARE, False, "Part of the pool, 0 to 1; a policy's shares add up to 1, or all are 0."),
    (
        "amount",
        MONEY,
        True,
        "Part of the pool in its currency; a policy's amounts add up to the pool. Null without one.",
    ),
    *_PREVIEW_COLUMNS,
)

PAYOUT_DIFFERENCE: Final = table_schema(
    ("base_policy_id", pa.string(), False, "The first `--policy`."),
    ("policy_id", pa.string(), False, "The policy that it is compared with."),
    ("licensor", pa.string(), True, "From the streams."),
    ("royalty_class", pa.string(), False, "As in `payout_split`."),
    ("base_share", SHARE, False, "Part of the pool under the first policy."),
    ("share", SHARE, False, "Part of the pool under the other one."),
    ("share_difference", SHARE, False, "`share` less `base_share`; they add up to 0 where streams earn under both."),
    ("amount_difference", MONEY, True, "The same in the pool's currency; null without a pool."),
    *_PREVIEW_COLUMNS,
)

UNLABELLED_TRACKS: Final = table_schema(
    ("track_id", pa.string(), False, "A track that has streams in the month and no label in the run."),
    ("licensor", pa.string(), True, "From the streams."),
    ("streams", pa.int64(), False, "In the month."),
    *_PREVIEW_COLUMNS,
)
#: The files of a preview, by name.
PREVIEW_TABLES: Final = {
    "payout_split": PAYOUT_SPLIT,
    "payout_difference": PAYOUT_DIFFERENCE,
    "unlabelled_tracks": UNLABELLED_TRACKS,
}


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyPayout:
    """A policy's cells and what each gets.

    Attributes
    ----------
    cells
        Sorted by licensor and class.
    shares, cents
        By cell; ``cents`` is empty without a pool.
    """

    terms: PolicyTerms
    cells: tuple[PayoutCell, ...]
    shares: Mapping[CellKey, int]
    cents: Mapping[CellKey, int]

    def amount(self, key: CellKey) -> Decimal | None:
        """What a cell gets in the pool's currency; null without a pool."""
        return scaled(self.cents.get(key, 0), _CENT_DIGITS) if self.cents else None


def policy_payout(terms: PolicyTerms, cells: Sequence[PayoutCell], pool_cents: int | None) -> PolicyPayout:
    """Divide the pool under one policy."""
    cents = {} if pool_cents is None else divide_pool(cells, pool_cents)
    return PolicyPayout(terms, tuple(sorted(cells, key=cell_order)), divide_pool(cells, SHARE_UNITS), cents)


def split_rows(payout: PolicyPayout, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of ``payout_split``; ``columns`` are the month and the run."""
    return [
        {
            "policy_id": payout.terms.policy_id,
            "policy_version": payout.terms.version,
            "licensor": cell.licensor,
            "royalty_class": cell.royalty_class,
            "tracks": cell.tracks,
            "streams": cell.streams,
            "ineligible_streams": cell.ineligible_streams,
            "below_minimum_streams": cell.below_minimum_streams,
            "weighted_streams": scaled(cell.weighted_units, 9),
            "share": scaled(payout.shares[cell.key], _SHARE_DIGITS),
            "amount": payout.amount(cell.key),
            **columns,
        }
        for cell in payout.cells
    ]


def difference_rows(base: PolicyPayout, other: PolicyPayout, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of ``payout_difference``: what each cell gets more under ``other`` than under ``base``."""
    has_pool = bool(base.cents or other.cents)
    cents = {key: after - before for key, before, after in differences(base.cents, other.cents)}
    return [
        {
            "base_policy_id": base.terms.policy_id,
            "policy_id": other.terms.policy_id,
            "licensor": key[0],
            "royalty_class": key[1],
            "base_share": scaled(before, _SHARE_DIGITS),
            "share": scaled(after, _SHARE_DIGITS),
            "share_difference": scaled(after - before, _SHARE_DIGITS),
            "amount_difference": scaled(cents[key], _CENT_DIGITS) if has_pool else None,
            **columns,
        }
        for key, before, after in differences(base.shares, other.shares)
    ]


def write_rows(path: pathlib.Path, schema: pa.Schema, batches: Iterable[list[dict[str, Any]]]) -> int:
    """Write a Parquet file that is whole whenever it is there; gives the number of rows."""
    temporary = partial_file(path)
    rows = 0
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            rows += len(batch)
    temporary.replace(path)
    return rows


def write_unlabelled(path: pathlib.Path, streams: StreamsPayout, columns: Mapping[str, Any]) -> int:
    """Write the file of tracks without a label; gives their number."""
    names = ("track_id", "licensor", "streams")
    batches = (
        [dict(zip(names, row, strict=True), **columns) for row in batch] for batch in streams.unlabelled_tracks()
    )
    return write_rows(path, UNLABELLED_TRACKS, batches)
