"""What a run of the main job costs on the sample shard: ``python benchmarks/main_job.py --output out/benchmarks``.

Each case is a process of its own, run once to warm the file cache and then ``--runs`` times; medians are written to
``main_job.json`` and printed as a table for the docs. Processor time covers the job's workers and decoder processes.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
CASES = {
    "sampled, 1 process": [],
    "sampled, 2 processes": ["--processes", "2"],
    "full, 1 process": ["--coverage", "full"],
    "refused command line": ["--run_date", "never"],
}


def measure(flags: list[str]) -> dict[str, float]:
    """One run: wall and processor seconds, largest memory of one process in MB."""
    with tempfile.TemporaryDirectory() as output:
        command = [
            sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", "sample/catalog.jsonl",
            "--config", "configs/sample.yaml", "--output", output, *flags,
        ]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        wall_s = time.monotonic() - began
    if finished.returncode != (2 if "never" in flags else 0):
        sys.exit(finished.stderr.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb_of_any_run_so_far": after.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    report = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(), "cases": {}}
    print("| case | wall s | processor s |\n|---|---|---|\n", end="")
    for name, flags in CASES.items():
        measure(flags)
        runs = [measure(flags) for _ in range(arguments.runs)]
        report["cases"][name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(f"| {name} | {report['cases'][name]['wall_s']:.1f} | {report['cases'][name]['cpu_s']:.1f} |", flush=True)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main_job.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
