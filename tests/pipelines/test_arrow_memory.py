"""Where Arrow takes its memory in a job's process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("chosen", "pool"), [({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc")])
def test_arrow_shares_the_heap_of_the_process_unless_told_otherwise(chosen, pool):
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    code = "import pipelines, pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment | chosen, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == pool
