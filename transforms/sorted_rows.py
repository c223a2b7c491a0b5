"""Sorted rows that are read side by side, a span of track ids at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


class SortedRows:
    """Rows that come sorted by track id, a batch at a time, and are taken by spans of track ids.

    Parameters
    ----------
    batches
        The rows.
    schema
        That of what is given.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self._batches, self._schema = batches, schema
        self._waiting: pa.RecordBatch | None = None

    def up_to(self, track_id: str) -> pa.Table:
        """Take the rows that were not taken yet and whose track id is at most this one, in byte order."""
        taken: list[pa.RecordBatch] = []
        while (batch := self._next()) is not None:
            rows = batch.num_rows
            if rows and batch["track_id"][-1].as_py().encode() > track_id.encode():
                rows = pc.sum(pc.less_equal(batch["track_id"], track_id)).as_py()
                self._waiting = batch.slice(rows)
            taken.append(batch.slice(0, rows).cast(self._schema))
            if self._waiting is not None:
                break
        return pa.Table.from_batches(taken, schema=self._schema).combine_chunks()

    def _next(self) -> pa.RecordBatch | None:
        batch, self._waiting = self._waiting, None
        return next(self._batches, None) if batch is None else batch
