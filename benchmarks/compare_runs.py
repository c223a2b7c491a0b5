"""What comparing two runs costs: synthetic labels of two models and streams, the real job and the real gate measured.

python benchmarks/compare_runs.py --output out/benchmarks/compare_runs    (2 x 1,000,000 labels, 10,000,000 stream rows)
python benchmarks/compare_runs.py --output out/benchmarks/compare_runs --tracks 10000 --months 10
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # the packages of this checkout

from benchmarks.synthetic_runs import publish_tables, track_ids, write_streams
from models.policy_files import policies_in_force
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from pipelines.command_line import run_date

DATES = {"before": "2026-11-23", "after": "2026-11-24"}
POLICIES = ("spotify", "deezer")
#: Shares of the tracks: of another category after, and not in one of the runs.
CHANGED, MISSING = 0.03, 0.01
GATE = """
import sys
from transforms.published_runs import read_previous_run, read_published_run
from transforms.run_changes import ComparedRun, count_changes
after = read_published_run(sys.argv[1])
before = read_previous_run(sys.argv[1], after.run_date)
print(count_changes(*(ComparedRun(run, sys.argv[1], "--tables") for run in (before, after))))
"""


def labels(numbers: np.ndarray, category: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """As wide as real ones: titles, digests, probabilities with many digits."""
    rows = len(numbers)
    kinds = rng.choice(FUNCTIONAL_TYPES, rows)
    texts = [f"{number:064x}" for number in numbers.tolist()]
    flags = pa.array([["mixed_content"] if number % 7 == 0 else [] for number in numbers.tolist()])
    return pa.table(
        {
            "track_id": track_ids(numbers),
            "isrc": pa.array([f"QZ{number:010d}" for number in numbers.tolist()]),
            "release_id": pa.array([f"rel_{number // 10:07d}" for number in numbers.tolist()]),
            "title": pa.array([f"Title of the track number {number}" for number in numbers.tolist()]),
            "artist": pa.array([f"Artist {number % 50_000}" for number in numbers.tolist()]),
            "audio_uri": pa.array([f"audio/{number % 1000:03d}/{number}.flac" for number in numbers.tolist()]),
            "audio_sha256": pa.array(texts),
            "duration_s": rng.uniform(5, 400, rows),
            "category": pa.array(category.tolist()),
            "functional_type": pa.array(kinds.tolist(), mask=category != "functional"),
            "decision": pa.array(np.where(rng.random(rows) < 0.9, "auto", "review").tolist()),
            **{name: rng.random(rows) for name in ("confidence", "p_music", "p_functional", "p_speech")},
            **{f"{name}_fraction": rng.random(rows) for name in CATEGORIES},
            "duplicate_of": pa.nulls(rows, pa.string()),
            "flags": flags,
            "label_source": pa.array(["audio"] * rows),
            "licensor": pa.nulls(rows, pa.string()),
        }
    )


def treatments(table: pa.Table) -> pa.Table:
    """Quick stand-ins for the rule of :mod:`models.royalty_rule`, which benchmarks/payout.py measures."""
    functional = np.asarray(table["category"]) == "functional"
    parts = []
    for policy in policies_in_force(POLICIES, run_date(DATES["after"])):
        weight = np.where(functional, 0.2 if policy.policy_id == "spotify" else 0.0, 1.0)
        parts.append(
            pa.table(
                {
                    "track_id": table["track_id"],
                    "policy_id": pa.array([policy.policy_id] * len(table)),
                    "policy_version": pa.array([policy.version] * len(table)),
                    "royalty_class": table["category"],
                    "eligible": weight > 0,
                    "ineligible_reason": pa.array(["Functional."] * len(table), pa.string(), mask=weight > 0),
                    "stream_weight": weight,
                    "ddex_sound_recording_type": pa.nulls(len(table), pa.string()),
                }
            )
        )
    return pa.concat_tables(parts)


def publish_both(output: pathlib.Path, tracks: int) -> None:
    rng = np.random.default_rng(1)
    category = rng.choice(CATEGORIES, tracks, p=[0.8, 0.15, 0.05])
    policies = [policy.model_dump(mode="json") for policy in policies_in_force(POLICIES, run_date(DATES["after"]))]
    for side, date in DATES.items():
        present = np.flatnonzero(rng.random(tracks) >= MISSING)
        if side == "after":
            changed = rng.random(tracks) < CHANGED
            category = np.where(changed, rng.choice(CATEGORIES, tracks), category)
        table = labels(present, category[present], np.random.default_rng(2))
        publish_tables(
            output, side, date, {"track_labels": table, "royalty_treatments": treatments(table)},
            model_version=f"model-{side}", policies=policies,
        )  # fmt: skip


def measured(command: list[str]) -> dict[str, float]:
    """Run a command; wall and processor seconds, and the largest resident memory that it had."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=pathlib.Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "peak_gib": round(used.ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=10)
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output).resolve()
    shutil.rmtree(output, ignore_errors=True)
    publish_both(output / "tables", arguments.tracks)
    rows = write_streams(output / "streams", arguments.tracks, arguments.months, np.random.default_rng(3))
    tables = str(output / "tables")
    command = [sys.executable, "-m", "pipelines.compare_runs", "--before", tables, "--after", tables, "--output"]
    money = ["--streams", str(output / "streams" / "*.parquet"), "--pool", "10000000.00"]
    figures = {
        "labels_before_and_after": arguments.tracks,
        "stream_rows": rows,
        "policies": len(POLICIES),
        "labels_alone": measured([*command, str(output / "labels")]),
        "with_streams": measured([*command, str(output / "comparison"), *money]),
        "gate": measured([sys.executable, "-c", GATE, tables]),
        "page_kib": round((output / "comparison" / "comparison.html").stat().st_size / 1024),
        "load_average": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures, indent=2))
    (output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
