"""Freed memory is used again: blocks of a window's size do not fault in new pages each time."""

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
