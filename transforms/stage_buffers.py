"""How much of a stage's output Beam gathers before it hands it on, in a process of a local run."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Final

from apache_beam.runners.worker import data_plane

#: A few hundred rows.
_PART_BYTES: Final = 256 << 10
#: No public name of Beam's: a version without it is left as it is, and takes more memory.
_CLASS: Final = "SizeBasedBufferingClosableOutputStream"


@contextlib.contextmanager
def small_buffers() -> Iterator[None]:
    """Have stages that start within hand on their output in small parts.

    Beam's worker gathers 10 MiB, or all of it, and keeps the buffer until the job ends, for each output of each stage:
    all that ever went from stage to stage, while what went through is freed. In parts, every buffer stays small.
    """
    before = getattr(data_plane, _CLASS, None)
    if before is None or isinstance(before, functools.partial):  # or another job of this process has begun it
        yield
        return
    setattr(data_plane, _CLASS, functools.partial(before, size_flush_threshold=_PART_BYTES))
    try:
        yield
    finally:
        setattr(data_plane, _CLASS, before)
