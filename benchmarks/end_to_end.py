"""What a track costs end to end, beside other ways to label it and beside decoding alone, in one run.

python benchmarks/end_to_end.py --output out/benchmarks [--teacher DIR] [--ina DIR]

Every round runs each case once, in turn; figures are medians over rounds. The main job runs on two catalogs of
different size: the difference is what a further track costs, the rest is start-up. Processor time is that of all
processes of a case. Other cases are processes of their own on one thread, without their start-up. ``--teacher`` is a
folder with a ``teacher.py`` as the training takes it; ``--ina`` is inaSpeechSegmenter's wheel, unpacked (``pip download
--no-deps``, ``unzip``), and needs the ``ffmpeg`` program. Without them their cases are left out. Written to
``end_to_end.json`` and ``end_to_end.md``.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Final

from catalog_generator import generate
from measured_run import ONE_THREAD, Measured, job, machine, run

_GATES: Final = "gates: {max_dead_letter_share: 0.0, max_review_share: null, max_label_drift: null}\n"
_SIX: Final = "audio: {sampled_windows: 6, max_sampled_windows: 6}\n"
#: The main job's cases: config, flags, and share of the tracks that its catalogs have.
JOBS: Final = {
    "six windows": (_SIX, [], 1.0),
    "adaptive (default)": ("", [], 1.0),
    "full": ("", ["--coverage", "full"], 0.4),
}
#: The other cases: what they are called, and how many tracks they take.
PEERS: Final = {
    "plain_windows": ("six windows decoded with PyAV, no more", 40),
    "plain_full": ("all decoded with PyAV, no more", 20),
    "own_windows": ("the job's decoder alone, six windows", 40),
    "own_full": ("the job's decoder alone, full", 20),
    "own_hash": ("sha256 of the file", 40),
    "own_network": ("front end and network, six windows", 40),
    "own_rounds": ("decoding and classifying in adaptive rounds, without Beam", 40),
    "librosa_and_teacher": ("librosa.load and YAMNet, file by file", 12),
    "ina_network": ("ffmpeg and inaSpeechSegmenter's CNN", 4),
}
_WINDOWS_OF_FULL: Final = 36


def measure_peer(
    case: str, arguments: argparse.Namespace, work: pathlib.Path, audio: Sequence[pathlib.Path]
) -> dict[str, float]:
    """What the case's process says: tracks, processor seconds, and windows where it counts them."""
    result = work / "peer.json"
    flags = ["--runtime", arguments.runtime]
    flags += ["--teacher", str(arguments.teacher)] if arguments.teacher else []
    flags += ["--ina", str(arguments.ina)] if arguments.ina else []
    command = [sys.executable, "-m", "benchmarks.peers", case, "--output_json", str(result), *flags]
    run([*command, *map(str, audio)], ONE_THREAD)
    taken: dict[str, float] = json.loads(result.read_text())
    return taken


def jobs_of(arguments: argparse.Namespace, work: pathlib.Path) -> dict[str, list[tuple[int, pathlib.Path, list[str]]]]:
    """Catalogs and flags of the main job's cases, the smaller catalog first."""
    cases = {}
    for name, (settings, flags, share) in JOBS.items():
        config = work / f"{name.partition(' ')[0]}.yaml"
        config.write_text(_GATES + settings + f"model: {{runtime: {arguments.runtime}}}\n")
        sizes = [round(share * tracks) for tracks in arguments.tracks]
        cases[name] = [
            (
                size,
                generate(arguments.catalog, size, takes=arguments.takes, manifest=arguments.manifest),
                ["--config", str(config), *flags],
            )
            for size in sizes
        ]
    return cases


def summarise(runs: list[dict[int, Measured]]) -> dict[str, Any]:
    """Start-up and cost of a further track, as medians over rounds, from runs of two sizes in each."""
    small, large = sorted(runs[0])
    count = large - small
    track = [
        {key: (getattr(r[large], key) - getattr(r[small], key)) / count for key in ("cpu_s", "wall_s")} for r in runs
    ]
    startup = [{key: getattr(r[small], key) - small * t[key] for key in t} for r, t in zip(runs, track, strict=True)]
    median = {
        **{f"track_{key}": statistics.median(t[key] for t in track) for key in track[0]},
        **{f"startup_{key}": statistics.median(s[key] for s in startup) for key in startup[0]},
    }
    peaks = {kind: max(r[large].peak_mb.get(kind, 0.0) for r in runs) for kind in ("worker", "decoder")}
    whole = {f"{size}_tracks_cpu_s": statistics.median(r[size].cpu_s for r in runs) for size in (small, large)}
    return {
        "tracks": [small, large],
        **median,
        **whole,
        "peak_mb": peaks,
        "track_cpu_s_of_rounds": [t["cpu_s"] for t in track],
    }


def goals_of(jobs: dict[str, dict[str, Any]], peers: dict[str, float]) -> list[dict[str, Any]]:
    """The figures that the job is held to: name, value, goal."""
    rate = {name: 1 / case["track_cpu_s"] for name, case in jobs.items()}
    other = {name: 1 / cost for name, cost in peers.items()}
    goals = []

    def goal(name: str, value: float, least: float) -> None:
        goals.append({"name": name, "value": value, "goal": least, "met": value >= least})

    if "librosa_and_teacher" in other:
        goal("six windows against librosa and YAMNet", rate["six windows"] / other["librosa_and_teacher"], 14)
        goal("adaptive against librosa and YAMNet", rate["adaptive (default)"] / other["librosa_and_teacher"], 20)
    if "ina_network" in other:
        goal("six windows against inaSpeechSegmenter's CNN", rate["six windows"] / other["ina_network"], 50)
    goal("six windows against decoding them with PyAV alone", rate["six windows"] / other["plain_windows"], 0.65)
    network = peers["own_network"] * _WINDOWS_OF_FULL / 6
    goal("full against decoding with PyAV and the network alone", rate["full"] * (peers["plain_full"] + network), 0.85)
    goal("full against the job's own decoder and the network alone", rate["full"] * (peers["own_full"] + network), 0.85)
    return goals


def markdown(report: dict[str, Any]) -> str:
    """The tables for the docs."""
    jobs, peers, here = report["jobs"], report["peers"], report["machine"]
    small, large = jobs["six windows"]["tracks"]
    of_full = " and ".join(map(str, jobs["full"]["tracks"]))
    lines = [
        f"Measured {here['measured_at']} on {here['cores']} cores of {here['cpu']}, {here['memory_gb']} GB, load "
        f"{here['load_average']} at the start; medians of {report['rounds']} rounds; catalogs of {small} and {large} "
        f"tracks of 3 minutes (full: {of_full}); model as `{report['runtime']}`. Adaptive coverage "
        f"heard {report['adaptive_windows']:.1f} windows a track.",
        "",
        "| main job | ms of processor time per further track | tracks per processor-second | wall ms per further track "
        "| start-up, processor s / wall s | peak MB, worker / decoder |",
        "|---|---|---|---|---|---|",
    ]
    for name, case in jobs.items():
        lines.append(
            f"| {name} | {1000 * case['track_cpu_s']:.1f} | {1 / case['track_cpu_s']:.1f} "
            f"| {1000 * case['track_wall_s']:.1f} "
            f"| {case['startup_cpu_s']:.1f} / {case['startup_wall_s']:.1f} "
            f"| {case['peak_mb']['worker']:.0f} / {case['peak_mb']['decoder']:.0f} |"
        )
    lines += [
        "",
        "| beside it, one thread, without start-up | ms per track | tracks per processor-second |",
        "|---|---|---|",
    ]
    for name, cost in peers.items():
        lines.append(f"| {PEERS[name][0]} | {1000 * cost:.1f} | {1 / cost:.2f} |")
    six = 1000 * jobs["six windows"]["track_cpu_s"]
    stages = {"decoding": "own_windows", "front end and network": "own_network", "sha256 of the file": "own_hash"}
    rest = six - sum(1000 * peers[case] for case in stages.values())
    lines += ["", "| stage of a track at six windows | ms | share |", "|---|---|---|"]
    lines += [
        f"| {stage} | {1000 * peers[case]:.1f} | {100 * 1000 * peers[case] / six:.0f} % |"
        for stage, case in stages.items()
    ]
    lines += [f"| everything else: Beam, pipes, tables | {rest:.1f} | {100 * rest / six:.0f} % |"]
    lines += ["", "| goal | measured | at least | |", "|---|---|---|---|"]
    for item in report["goals"]:
        lines.append(
            f"| {item['name']} | {item['value']:.2f} | {item['goal']:g} | {'met' if item['met'] else '**missed**'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--catalog", type=pathlib.Path, help="where the generated audio is kept (default: in --output)")
    parser.add_argument(
        "--manifest", type=pathlib.Path, help="as for catalog_generator.py (default: the sample's audio)"
    )
    parser.add_argument(
        "--tracks",
        type=int,
        nargs=2,
        default=(200, 400),
        metavar=("FEW", "MANY"),
        help="sizes of the two catalogs (default: 200 and 400; in both the page has all the excerpts that it may have)",
    )
    parser.add_argument("--takes", type=int, default=40, help="different recordings among them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--teacher", type=pathlib.Path)
    parser.add_argument("--ina", type=pathlib.Path)
    parser.add_argument("--runtime", choices=("litert", "saved_model"), default="litert")
    parser.add_argument("--markdown", action="store_true", help="only write the tables again, from end_to_end.json")
    arguments = parser.parse_args()
    for name in ("output", "teacher", "ina", "manifest"):
        if getattr(arguments, name) is not None:
            setattr(arguments, name, getattr(arguments, name).resolve())
    result = arguments.output / "end_to_end.json"
    if not arguments.markdown:
        arguments.catalog = (arguments.catalog or arguments.output / "catalog").resolve()
        arguments.output.mkdir(parents=True, exist_ok=True)
        result.write_text(json.dumps(measure(arguments), indent=1) + "\n")
    tables = markdown(json.loads(result.read_text()))
    (arguments.output / "end_to_end.md").write_text(tables)
    print(tables, end="")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All cases, round by round."""
    with tempfile.TemporaryDirectory(dir=arguments.output) as folder:
        work = pathlib.Path(folder)
        cases = jobs_of(arguments, work)
        rows = cases["six windows"][0][1].read_text().splitlines()
        takes = [arguments.catalog / json.loads(row)["audio_uri"] for row in rows]
        wanted = {"librosa_and_teacher": arguments.teacher, "ina_network": arguments.ina}
        peers: dict[str, list[float]] = {case: [] for case in PEERS if wanted.get(case, case)}
        jobs: dict[str, list[dict[int, Measured]]] = {name: [] for name in cases}
        here, windows = machine(), 0.0
        for index in range(arguments.rounds):
            for name, sizes in cases.items():
                print(f"round {index + 1}: {name}", file=sys.stderr, flush=True)
                jobs[name].append({size: job(catalog, work, flags) for size, catalog, flags in sizes})
            for case, costs in peers.items():
                print(f"round {index + 1}: {case}", file=sys.stderr, flush=True)
                taken = measure_peer(case, arguments, work, takes[: PEERS[case][1]])
                costs.append(taken["cpu_s"] / taken["tracks"])
                windows = taken.get("windows", windows)
    medians = {case: statistics.median(costs) for case, costs in peers.items()}
    summaries = {name: summarise(runs) for name, runs in jobs.items()}
    return {
        "machine": here,
        "rounds": arguments.rounds,
        "runtime": arguments.runtime,
        "jobs": summaries,
        "adaptive_windows": windows,
        "peers": medians,
        "peers_of_rounds": peers,
        "goals": goals_of(summaries, medians),
    }


if __name__ == "__main__":
    main()
