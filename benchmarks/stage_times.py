"""Where a run's time goes, stage by stage: wall time, processor time by kind of process, and the least that it needs.

python benchmarks/stage_times.py --output out/benchmarks --catalog out/benchmarks/catalog/catalog-200.jsonl \
    --config FILE [other flags of the main job]

Runs the main job once in this process and looks at the clocks around each bundle that Beam's local runner executes: its
stages run one after another. **Least** is what a stage would take on two cores that nothing else uses: half of its
processor time, or that of its busiest thread if that is more. It follows from processor time, so it can be had on a
machine that is not quiet, where wall time says little. Where the sum of the least times is above half of all processor
time, one thread works while a core has nothing to do. Written to ``stage_times.json`` and ``stage_times.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import sys
import tempfile
import time
from collections import Counter
from typing import Any, Final

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from measured_run import fill_page, machine

#: Stages with less of both, in seconds, are one row of the table.
_SMALL_S: Final = 0.05
_CORES: Final = 2


@dataclasses.dataclass(frozen=True)
class Clocks:
    """What the clocks said at one moment, in seconds.

    Attributes
    ----------
    cpu_s
        Processor time by kind of process: ``main``, ``worker`` (of ``--processes``), ``decoder``, ``ended`` (of those).
    threads_s
        Processor time of each thread that runs, by its id.
    """

    wall_s: float
    cpu_s: dict[str, float]
    threads_s: dict[int, float]

    @classmethod
    def now(cls) -> Clocks:
        """Look at them."""
        own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = Counter(main=own.ru_utime + own.ru_stime, ended=ended.ru_utime + ended.ru_stime)
        threads_s: dict[int, float] = {}
        for pid in _family():
            with contextlib.suppress(OSError, ValueError):
                decoder = b"decoder_child" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    # Nanoseconds; /proc/PID/stat counts in hundredths of a second.
                    seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
                    threads_s[int(task.name)] = seconds
                    if pid != os.getpid():
                        cpu_s["decoder" if decoder else "worker"] += seconds
        return cls(time.monotonic(), dict(cpu_s), threads_s)


def _family() -> set[int]:
    """This process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    family = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
        family |= more
    return family


class Timeline:
    """A row for each part of the run, in their order; a part with a name that was there before adds to its row."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._last = Clocks.now()

    def lap(self, name: str) -> None:
        """End a part."""
        last, now = self._last, Clocks.now()
        # A process that ended takes its time from its kind to "ended".
        spent = {kind: now.cpu_s.get(kind, 0.0) - last.cpu_s.get(kind, 0.0) for kind in {*now.cpu_s, *last.cpu_s}}
        total = sum(spent.values())
        threads = [seconds - last.threads_s.get(thread, 0.0) for thread, seconds in now.threads_s.items()]
        row = self.rows.setdefault(name, {"stage": name, "wall_s": 0.0, "cpu_s": 0.0, "busiest_s": 0.0, "least_s": 0.0})
        row["wall_s"] += now.wall_s - last.wall_s
        row["cpu_s"] += total
        row["busiest_s"] += max(threads)
        row["least_s"] += max(total / _CORES, max(threads))
        for kind in ("main", "worker", "decoder"):
            row[f"{kind}_cpu_s"] = row.get(f"{kind}_cpu_s", 0.0) + max(0.0, spent.get(kind, 0.0))
        self._last = Clocks.now()


def run_watched(argv: list[str]) -> list[dict[str, Any]]:
    """Run the job with these flags; gives a row for each stage."""
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    from pipelines.categorize_tracks import run

    timeline = Timeline()
    execute: Any = FnApiRunner._execute_bundle
    begun: list[str] = []

    def watched(runner: Any, context: Any, manager: Any, data: Any) -> Any:
        timeline.lap("between stages" if begun else "checks and graph, before the first stage")
        begun.append(manager.stage.name)
        try:
            return execute(runner, context, manager, data)
        finally:
            timeline.lap(short_name(manager.stage.transforms))

    FnApiRunner._execute_bundle = watched  # type: ignore[method-assign]
    if status := run(argv):
        sys.exit(f"the job ended with status {status}")
    timeline.lap("page and publishing, after the last stage")
    return list(timeline.rows.values())


def short_name(transforms: list[Any]) -> str:
    """A name for a fused stage: its longest-named part that is ours, else where it reads and where it writes."""
    names = [transform.unique_name for transform in transforms]
    for part, name in (
        ("IdentifyAudio", "find and hash audio"),
        ("DecodeRound", "decode, classify"),
        ("/Decide", "judge"),
        ("WriteShard", "write a table"),
        ("SpreadRecords/ReshufflePerKey/GroupByKey/Write", "read the catalog"),
        ("Validate", "validate rows"),
        ("Reconcile", "count"),
    ):
        if found := [other for other in names if part in other]:
            number = f", round {found[0].partition('DecodeRound')[2][:1]}" if part == "DecodeRound" else ""
            return name + number
    return "other stages"


def markdown(report: dict[str, Any]) -> str:
    """The table for the docs."""
    here, rows = report["machine"], report["stages"]
    small = {"stage": "all others", **{key: 0.0 for key in rows[0] if key != "stage"}}
    shown = []
    for row in rows:
        if row["cpu_s"] >= _SMALL_S:
            shown.append(row)
        else:
            small |= {key: small[key] + row[key] for key in small if key != "stage"}
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key != "stage"}
    lines = [
        f"Measured {here['measured_at']} on {here['cores']} cores of {here['cpu']}, load {here['load_average']} at the "
        f"start: `{report['flags']}`, {report['tracks']} tracks.",
        "",
        "| stage | wall s | processor s | in main | in workers | in decoders | busiest thread | least on two cores |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in [*shown, small, {"stage": "**all**", **total}]:
        figures = [
            row[key]
            for key in ("wall_s", "cpu_s", "main_cpu_s", "worker_cpu_s", "decoder_cpu_s", "busiest_s", "least_s")
        ]
        lines.append(f"| {row['stage']} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
    lines += [
        "",
        f"At best {total['cpu_s'] / total['least_s']:.2f} cores are at work; in the stages alone "
        f"{_stages_alone(rows):.2f}.",
    ]
    return "\n".join(lines) + "\n"


def _stages_alone(rows: list[dict[str, Any]]) -> float:
    """Cores at work at best between the first stage and the last."""
    inner = [row for row in rows if "before the first" not in row["stage"] and "after the last" not in row["stage"]]
    return float(sum(row["cpu_s"] for row in inner) / sum(row["least_s"] for row in inner))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="where the figures go")
    parser.add_argument("--catalog", type=pathlib.Path, required=True)
    parser.add_argument(
        "--page", type=pathlib.Path, help="also put the table into this page, such as docs/benchmarks.md"
    )
    arguments, flags = parser.parse_known_args()
    here = machine()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stages = run_watched(["--catalog", str(arguments.catalog), "--output", folder, *flags])
    report = {
        "machine": here,
        "flags": " ".join(flags),
        "tracks": len(arguments.catalog.read_text().splitlines()),
        "stages": stages,
    }
    (arguments.output / "stage_times.json").write_text(json.dumps(report, indent=1) + "\n")
    tables = markdown(report)
    (arguments.output / "stage_times.md").write_text(tables)
    if arguments.page is not None:
        fill_page(arguments.page, "stage_times", tables)
    print(tables, end="")


if __name__ == "__main__":
    main()
