"""What a run's page costs on a large catalog: synthetic labels and streams, the real job measured.

python benchmarks/run_report.py --output out/benchmarks/run_report --tracks 1000000
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # the packages of this checkout

from benchmarks.synthetic_runs import publish_tables, track_ids
from models.taxonomy import CATEGORIES
from transforms.records import ErrorType
from transforms.streams_parquet import STREAMS

DATE = "2026-11-24"


def labels(tracks: int, rng: np.random.Generator) -> pa.Table:
    """One track in ten for review, two tracks to an audio."""
    category = rng.choice(CATEGORIES, tracks, p=[0.8, 0.15, 0.05])
    confidence = rng.beta(8, 1, tracks)
    columns = {
        "track_id": track_ids(np.arange(tracks)),
        "audio_uri": pa.array([f"audio/{number}.flac" for number in range(tracks)]),
        "audio_sha256": pa.array([f"{number // 2:064x}" for number in range(tracks)]),
        "duration_s": rng.uniform(5, 400, tracks),
        "category": pa.array(category),
        "functional_type": pa.array(np.where(category == "functional", "noise", None), pa.string()),
        "decision": pa.array(rng.choice(["auto", "review"], tracks, p=[0.9, 0.1])),
        "confidence": confidence,
        "flags": pa.array([["uncertain"]] * tracks),
        "label_source": pa.array(["audio"] * tracks),
    }
    columns |= {f"p_{name}": confidence / 3 for name in CATEGORIES}
    columns |= {f"{name}_fraction": confidence / 3 for name in CATEGORIES}
    for name in ("isrc", "release_id", "title", "artist", "duplicate_of", "licensor"):
        columns[name] = pa.nulls(tracks, pa.string())
    return pa.table(columns)


def dead_letters(rows: int) -> pa.Table:
    causes = list(ErrorType)
    return pa.table(
        {
            "track_id": pa.array([f"gone_{number}" for number in range(rows)]),
            "catalog_row": pa.array([f'{{"track_id": "gone_{number}"}}' for number in range(rows)]),
            "stage": pa.array(["audio"] * rows),
            "error_type": pa.array([causes[number % len(causes)].value for number in range(rows)]),
            "message": pa.array([f"There is no file {number}." for number in range(rows)]),
        }
    )


def measured(command: list[str]) -> dict[str, float]:
    """Processor seconds and largest memory of a command, whatever this process took."""
    code = (
        "import json, resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr); "
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(json.dumps({'cpu_s': round(u.ru_utime + u.ru_stime, 2), 'largest_mib': u.ru_maxrss // 1024}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.output, ignore_errors=True)
    arguments.output.mkdir(parents=True)
    tables, tracks = arguments.output / "tables", arguments.tracks
    rng = np.random.default_rng(1)
    publish_tables(
        tables, "benchmark", DATE, {"track_labels": labels(tracks, rng), "dead_letters": dead_letters(tracks // 20)}
    )
    streams = {
        "track_id": track_ids(np.arange(tracks).repeat(2)),
        "month": pa.array(["2026-10", "2026-11"] * tracks),
        "licensor": pa.array([f"Licensor {number % 40}" for number in range(2 * tracks)]),
        "streams": rng.integers(0, 5000, 2 * tracks),
    }
    pq.write_table(pa.table(streams, schema=STREAMS), arguments.output / "streams.parquet")
    job = [sys.executable, "-m", "pipelines.write_run_report", "--tables", str(tables)]
    found = {
        "tracks": tracks,
        "streams_rows": 2 * tracks,
        "without_streams": measured(job),
        "with_streams": measured([*job, "--streams", str(arguments.output / "streams.parquet")]),
        "page_bytes": next(tables.glob("runs/*/report.html")).stat().st_size,
    }
    (arguments.output / "run_report.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
