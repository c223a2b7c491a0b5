"""Running a command and seeing what it took: processor time with all its descendants, wall time, memory per process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Final

ROOT: Final = pathlib.Path(__file__).parents[1]
_LOOK_EVERY_S: Final = 0.5
_NAMES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
                 "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # fmt: skip
#: For cases that are held to one thread, so that their processor time holds no waiting of threads for each other.
ONE_THREAD: Final = dict.fromkeys(_NAMES, "1") | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one command took.

    Attributes
    ----------
    cpu_s
        Processor time of it and of all processes that it started and waited for, in seconds.
    peak_mb
        Largest resident memory of a process, in MB, by kind: ``decoder`` or ``worker`` (all others).
    output
        Its standard output.
    """

    cpu_s: float
    wall_s: float
    peak_mb: dict[str, float]
    output: str


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> Measured:
    """Run a command in the checkout; one that fails ends the benchmark with what it wrote on standard error."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=errors, env=os.environ | (environment or {})
        )
        peaks: dict[str, float] = {}
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
        ended.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)}\n{errors.read().decode(errors='replace')[-3000:]}")
        output.seek(0)
        return Measured(usage.ru_utime + usage.ru_stime, wall_s, peaks, output.read().decode())


def job(catalog: pathlib.Path, work: pathlib.Path, flags: Sequence[str], cores: int | None = None) -> Measured:
    """Run the main job over a catalog into a folder that is removed at the end, on ``cores`` cores where given."""
    with tempfile.TemporaryDirectory(dir=work) as output:
        command = [sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", str(catalog), "--output", output]
        if cores is not None:
            available = sorted(os.sched_getaffinity(0))[:cores]
            command = ["taskset", "-c", ",".join(map(str, available)), *command]
        return run([*command, *flags])


def _watch(root: int, peaks: dict[str, float], ended: threading.Event) -> None:
    """Note the high-water marks of the process and its descendants; ``ru_maxrss`` takes over the parent's at a fork."""
    while not ended.wait(_LOOK_EVERY_S):
        parents: dict[int, int] = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = (entry / "stat").read_text()
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        family = {root}
        while more := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
            family |= more
        for pid in family:
            with contextlib.suppress(OSError, StopIteration):
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                peak_kb = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
                kind = "decoder" if b"decoder_child" in command else "worker"
                peaks[kind] = max(peaks.get(kind, 0.0), peak_kb / 1024)


def machine() -> dict[str, object]:
    """What to say of the machine beside figures."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": sys.version.split()[0],
        "measured_at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "load_average": round(os.getloadavg()[0], 1),
    }


def fill_page(page: pathlib.Path, name: str, tables: str) -> None:
    """Put tables into a page of the docs, between its lines ``<!-- NAME -->`` and ``<!-- /NAME -->``."""
    before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not (begin and end):
        sys.exit(f"{page}: has no lines <!-- {name} --> and <!-- /{name} -->")
    page.write_text(before + begin + tables + end + after)
