"""How freed memory is treated: kept for the next window, given back when the windows are done."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from typing import Final

#: ``mallopt``'s names for the size from which on a block is taken from the system by itself, and for how much free
#: memory at the end of the heap is given back.
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
#: The largest that glibc accepts.
_LARGE_BLOCK_BYTES: Final = 32 << 20
_KEPT_FREE_BYTES: Final = 64 << 20


def keep_freed_memory() -> None:
    """Let this process use the memory again that it freed.

    By default glibc gives every block of more than 128 KiB back to the system when it is freed, and a window has 312.
    The next one comes as pages that the kernel clears one by one, which took longer than resampling what was put into
    them. Other C libraries and systems are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE_BYTES)


def release_freed_memory() -> None:
    """Give what this process freed back to the system, where glibc and Arrow's pool kept it."""
    import pyarrow as pa  # decoder processes have no use for it

    gc.collect()
    pa.default_memory_pool().release_unused()
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # no glibc
            ctypes.CDLL(None).malloc_trim(0)
