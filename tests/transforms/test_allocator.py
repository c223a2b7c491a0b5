"""Freed memory is used again: blocks of a window's size do not fault in new pages each time. In the end it goes."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COUNT = """
import resource
import sys
import numpy as np
from transforms.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def use():
    return [np.ones(80_000, np.float32) for _ in range(4)]
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", _COUNT, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_blocks_of_a_window_reuse_their_pages() -> None:
    assert faults("plain") > 5_000  # else there is nothing to mend here
    assert faults("kept") < 500


_RELEASE = """
from pathlib import Path
from transforms.allocator import keep_freed_memory, release_freed_memory
def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
release_freed_memory()  # with its imports
keep_freed_memory()
start = resident_mb()
blocks = [b"x" * 20_000 for _ in range(10_000)]
blocks = blocks[-1:]  # which keeps the heap from being cut off at its end
kept = resident_mb() - start
release_freed_memory()
print(kept, resident_mb() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_was_kept_is_given_back_when_it_is_asked_for() -> None:
    command = [sys.executable, "-c", _RELEASE]
    kept_mb, left_mb = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert kept_mb > 150
    assert left_mb < 50
