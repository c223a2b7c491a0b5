"""How much of a stage's output Beam gathers before it hands it on, in a process of a local run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from apache_beam.runners.worker import data_plane

#: A few hundred rows.
_PART_BYTES: Final = 256 << 10


class _SmallParts(data_plane.SizeBasedBufferingClosableOutputStream):
    """An output of a stage that is handed on by :data:`_PART_BYTES`."""

    def __init__(self, close_callback: Any = None, flush_callback: Any = None) -> None:
        super().__init__(close_callback, flush_callback, size_flush_threshold=_PART_BYTES)


@contextlib.contextmanager
def small_buffers() -> Iterator[None]:
    """Have stages that start within hand on their output in small parts.

    Beam's worker gathers 10 MiB, or all of it, and keeps the buffer until the job ends, for each output of each stage:
    all that ever went from stage to stage, while what went through is freed. In parts, every buffer stays small.
    """
    before = data_plane.SizeBasedBufferingClosableOutputStream
    data_plane.SizeBasedBufferingClosableOutputStream = _SmallParts
    try:
        yield
    finally:
        data_plane.SizeBasedBufferingClosableOutputStream = before
