"""Where a run's time goes, stage by stage: wall time, processor time by kind of process, and what lay idle.

python benchmarks/stage_times.py --output out/benchmarks --catalog out/benchmarks/catalog/catalog-200.jsonl [flags of the job]

Runs the main job once in this process and looks at the clocks before and after each bundle that Beam's local runner
executes: its stages run one after another. **Serial** is processor time of a stage in which one thread of one process
worked alone, **least wall** what the stage needs on two cores when nothing else is in the way: all its processor time
over two, or that of its busiest thread if that is more. Both follow from processor time, so they can be had on a
machine that is not quiet; wall times cannot. Written to ``stage_times.json`` and ``stage_times.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile
import time
from collections import Counter
from typing import Any, Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


def thread_times() -> dict[tuple[str, int], float]:
    """Processor seconds of each thread of this process and of its descendants, by kind of process and thread id.

    Descendants that ended are under ``ended``, with the thread id 0.
    """
    parents: dict[int, int] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    me = os.getpid()
    family = {me}
    while more := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
        family |= more
    times: dict[tuple[str, int], float] = {}
    for pid in family:
        with contextlib.suppress(OSError, ValueError):
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            kind = "decoder" if b"decoder_child" in command else "main" if pid == me else "worker"
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                # Nanoseconds on a processor; /proc/*/stat counts in hundredths of a second.
                times[kind, int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return times


def run_watched(argv: list[str]) -> tuple[int, list[dict[str, Any]]]:
    """Run the job with these flags; gives its exit status and a record for each bundle, and for what is between."""
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    from pipelines.categorize_tracks import run

    records: list[dict[str, Any]] = []
    last = [time.monotonic(), thread_times()]

    def note(name: str) -> None:
        now, times = time.monotonic(), thread_times()
        taken: dict[str, float] = Counter()
        busiest = 0.0
        for (kind, thread), seconds in times.items():
            spent = seconds - last[1].get((kind, thread), 0.0)
            taken[kind] += spent
            busiest = max(busiest, spent)
        records.append({"stage": name, "wall_s": now - last[0], "cpu_s": dict(taken), "busiest_thread_s": busiest})
        last[:] = time.monotonic(), thread_times()

    execute = FnApiRunner._execute_bundle

    def watched(self: Any, context: Any, manager: Any, data: Any) -> Any:
        note("between stages")
        try:
            return execute(self, context, manager, data)
        finally:
            note(short_name(manager.stage.name))

    FnApiRunner._execute_bundle = watched  # type: ignore[method-assign]
    status = run(argv)
    note("after the last stage: page, publishing")
    records[0]["stage"] = "before the first stage: checks, graph"
    return status, records


def short_name(stage: str) -> str:
    """A name for a fused stage: the first and last of the transforms that it was named after."""
    parts = [part.rpartition("_")[0] if part.startswith("ref_") else part for part in stage.split(")+(")]
    names = [part.strip("()").split("/") for part in parts]
    shown = ["/".join(name[-2:] if len(name) > 1 else name) for name in names]
    return shown[0] if len(shown) == 1 else f"{shown[0]} … {shown[-1]}"


def summed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record for each name, in the order in which they first came."""
    rows: dict[str, dict[str, Any]] = {}
    for record in records:
        row = rows.setdefault(
            record["stage"],
            {"stage": record["stage"], "bundles": 0, "wall_s": 0.0, "busiest_thread_s": 0.0, "cpu_s": Counter()},
        )
        row["bundles"] += 1
        row["wall_s"] += record["wall_s"]
        row["busiest_thread_s"] += record["busiest_thread_s"]
        row["cpu_s"].update(record["cpu_s"])
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--catalog", required=True)
    parser.add_argument("--full_names", action="store_true")
    args, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as out:
        status, records = run_watched(["--catalog", args.catalog, "--output", out, *rest])
    rows = summed(records)
    tw = tc = tl = 0
    for r in rows:
        cpu = sum(r["cpu_s"].values())
        least = max(cpu / 2, r["busiest_thread_s"])
        tw += r["wall_s"]
        tc += cpu
        tl += least
        if cpu < 0.03:
            continue
        print(
            f"{r['wall_s']:7.2f} wall {cpu:7.2f} cpu  main {r['cpu_s'].get('main', 0):6.2f} work {r['cpu_s'].get('worker', 0):6.2f} dec {r['cpu_s'].get('decoder', 0):6.2f} busiest {r['busiest_thread_s']:6.2f} least {least:6.2f}  {r['stage'][:100]}"
        )
    print(f"{tw:.2f} wall {tc:.2f} cpu {tl:.2f} least; at best {tc / tl:.2f} cores")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    main()
