"""What policies and the payout preview cost: synthetic labels and streams, the rule applied, the real job measured.

python benchmarks/payout.py --output out/benchmarks/payout            (1,000,000 labels, 10,000,000 stream rows)
python benchmarks/payout.py --output out/benchmarks/payout --tracks 10000 --months 10
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

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # the packages of this checkout

from benchmarks.synthetic_runs import publish_tables, track_ids, write_streams
from models.policy_files import policies_in_force
from models.royalty_rule import ReleaseContext, RoyaltyFacts, treat
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from pipelines.command_line import run_date
from transforms.royalty_treatments import RoyaltyTreatments

RUN_ID = "benchmark"
DATE = "2026-11-24"
POLICIES = ("spotify", "deezer")


def write_treatments(folder: pathlib.Path, tracks: int, rng: np.random.Generator) -> float:
    """Label tracks at random and apply the policies; gives the seconds that the rule took."""
    policies = policies_in_force(POLICIES, run_date(DATE))
    category = rng.choice(CATEGORIES, tracks, p=[0.8, 0.15, 0.05]).tolist()
    kind = rng.choice(FUNCTIONAL_TYPES, tracks).tolist()
    decision = rng.choice(["auto", "review"], tracks, p=[0.9, 0.1]).tolist()
    duration_s = rng.uniform(5, 400, tracks).round(6).tolist()
    music = rng.integers(0, 12, tracks).tolist()
    others = [ReleaseContext(music=count, functional=5) for count in range(12)]
    started = time.perf_counter()
    treatments = []
    for number in range(tracks):
        functional_type = kind[number] if category[number] == "functional" else None
        facts = RoyaltyFacts(category[number], functional_type, decision[number], duration_s[number])
        treatments += [treat(facts, others[music[number]], policy) for policy in policies]
    rule_s = time.perf_counter() - started
    ids = track_ids(np.arange(tracks).repeat(len(policies)))
    table = pa.table(
        {
            "track_id": ids,
            "policy_id": pa.array([policy.policy_id for policy in policies] * tracks),
            "policy_version": pa.array([policy.version for policy in policies] * tracks),
            "royalty_class": pa.array([t.royalty_class for t in treatments]),
            "eligible": pa.array([t.eligible for t in treatments]),
            "ineligible_reason": pa.array([t.ineligible_reason for t in treatments], pa.string()),
            "stream_weight": pa.array([t.stream_weight for t in treatments]),
            "ddex_sound_recording_type": pa.array([t.ddex_sound_recording_type for t in treatments], pa.string()),
        }
    )
    dumped = [policy.model_dump(mode="json") for policy in policies]
    publish_tables(folder, RUN_ID, DATE, {"royalty_treatments": table}, policies=dumped)
    return rule_s


def treat_with_beam(tracks: int) -> float:
    """Treat labels on the real engine, in this process; gives the processor seconds."""
    lineage = {"model_version": "m", "taxonomy_version": "1", "run_id": RUN_ID, "run_date": run_date(DATE)}
    rng = np.random.default_rng(2)
    category = rng.choice(CATEGORIES, tracks, p=[0.8, 0.15, 0.05]).tolist()
    labels = [
        {
            "track_id": f"trk_{number:08d}",
            "release_id": f"rel_{number // 10:07d}",
            "category": category[number],
            "functional_type": "noise" if category[number] == "functional" else None,
            "decision": "auto",
            "duration_s": 100.0,
        }
        for number in range(tracks)
    ]
    started = time.process_time()
    with beam.Pipeline(FnApiRunner()) as pipeline:
        treatments = RoyaltyTreatments(policies_in_force(POLICIES, run_date(DATE)), lineage)
        _ = pipeline | beam.Create(labels, reshuffle=False) | treatments
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--beam_tracks", type=int, default=20_000, help="labels that the Beam transform treats")
    parser.add_argument("--months", type=int, default=10)
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output).resolve()
    shutil.rmtree(output, ignore_errors=True)
    rng = np.random.default_rng(1)
    rule_s = write_treatments(output / "tables", arguments.tracks, rng)
    rows = write_streams(output / "streams", arguments.tracks, arguments.months, rng)
    command = [sys.executable, "-m", "pipelines.preview_payout", "--tables", str(output / "tables")]
    command += ["--streams", str(output / "streams" / "*.parquet"), "--pool", "10000000.00"]
    command += [text for name in POLICIES for text in ("--policy", name)]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--output", str(output / "payout")], check=True, cwd=pathlib.Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    preview_s = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "label_rows": arguments.tracks,
        "stream_rows": rows,
        "policies": len(POLICIES),
        "rule_s": round(rule_s, 2),
        "beam_label_rows": arguments.beam_tracks,
        "beam_cpu_s": round(treat_with_beam(arguments.beam_tracks), 2),
        "preview_wall_s": round(preview_s, 2),
        "preview_cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "preview_peak_gib": round(used.ru_maxrss / 2**20, 2),
        "load_average": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures, indent=2))
    (output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
