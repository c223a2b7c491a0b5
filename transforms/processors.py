"""How many processors there are to share work between."""

from __future__ import annotations

import os


def available_processors() -> int:
    """Number of processors that this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
