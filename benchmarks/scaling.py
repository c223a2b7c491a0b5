"""Whether a track costs the same in a large catalog, and what a second core gives.

python benchmarks/scaling.py --output out/benchmarks

**Tracks**: 100, 1,000 and 10,000 three-minute tracks of ``catalog_generator --small``, six windows each: processor time
per track beyond the first catalog's, and the peak memory of worker and decoders. **Cores**: the larger catalog of
``end_to_end.py``, six windows, by the wall clock: the job held to one core; free to use two; and with ``--processes
2``. **Control**, in the same rounds: the same files by one and by two plain processes, see ``plain_cores.py``; what two
gain over one is what two cores of this machine give at best. A quiet machine is wanted. Written to ``scaling.json`` and
``scaling.md``.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
from typing import Any, Final

from catalog_generator import generate
from measured_run import ONE_THREAD, fill_page, job, machine, run

_CONFIG: Final = (
    "gates: {max_dead_letter_share: 0.0, max_review_share: null, max_label_drift: null}\n"
    "audio: {sampled_windows: 6, max_sampled_windows: 6}\n"
)
#: Ways to use cores: flags of the job, and to how many cores it is held.
WAYS: Final = {
    "one core": ([], 1),
    "two cores": ([], 2),
    "two cores, --processes 2": (["--processes", "2"], 2),
}
CONTROL_CORES: Final = (1, 2)


def measure_tracks(
    sizes: list[int], catalog: pathlib.Path, work: pathlib.Path, flags: list[str]
) -> list[dict[str, Any]]:
    """One run for each size."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        print(f"{size} tracks", file=sys.stderr, flush=True)
        taken = job(generate(catalog, size, takes=min(40, sizes[0]), small=True), work, flags)
        row: dict[str, Any] = {"tracks": size, "cpu_s": taken.cpu_s, "wall_s": taken.wall_s, "peak_mb": taken.peak_mb}
        if rows:
            before = rows[-1]
            row["further_track_cpu_s"] = (taken.cpu_s - before["cpu_s"]) / (size - before["tracks"])
        rows.append(row)
    return rows


def measure_ways(
    tracks: tuple[int, int], rounds: int, catalog: pathlib.Path, work: pathlib.Path, flags: list[str]
) -> dict[str, dict[str, float]]:
    """Wall and processor seconds of a further track by each way and by the control, medians over rounds."""
    few, many = tracks
    catalogs = {size: generate(catalog, size, takes=few) for size in (few, many)}
    controls = {cores: f"control, {cores} of the cores" for cores in CONTROL_CORES}
    costs: dict[str, list[tuple[float, float]]] = {way: [] for way in (*WAYS, *controls.values())}
    for index in range(rounds):
        for cores, name in controls.items():
            print(f"round {index + 1}: {name}", file=sys.stderr, flush=True)
            costs[name].append(control(catalogs[many], cores, work))
        for way, (more, cores) in WAYS.items():
            print(f"round {index + 1}: {way}", file=sys.stderr, flush=True)
            taken = {size: job(path, work, [*flags, *more], cores) for size, path in catalogs.items()}
            costs[way].append(
                (
                    (taken[many].wall_s - taken[few].wall_s) / (many - few),
                    (taken[many].cpu_s - taken[few].cpu_s) / (many - few),
                )
            )
    return {
        way: {
            "track_wall_s": statistics.median(wall for wall, _ in taken),
            "track_cpu_s": statistics.median(cpu for _, cpu in taken),
        }
        for way, taken in costs.items()
    }


def control(catalog: pathlib.Path, cores: int, work: pathlib.Path) -> tuple[float, float]:
    """Wall and processor seconds of a track of a catalog by plain processes."""
    files = [str(catalog.parent / json.loads(row)["audio_uri"]) for row in catalog.read_text().splitlines()]
    result = work / "control.json"
    command = [sys.executable, "-m", "benchmarks.plain_cores", "--cores", str(cores), "--output_json", str(result)]
    run([*command, *files], ONE_THREAD)
    taken = json.loads(result.read_text())
    return taken["wall_s"] / taken["tracks"], taken["cpu_s"] / taken["tracks"]


def markdown(report: dict[str, Any]) -> str:
    """The tables for the docs."""
    here = report["machine"]
    lines = [
        f"Measured {here['measured_at']} on {here['cores']} cores of {here['cpu']}, load {here['load_average']} at the "
        "start.",
        "",
        "| tracks | processor s | wall s | ms of processor time per further track | peak MB, worker / decoder |",
        "|---|---|---|---|---|",
    ]
    for row in report["tracks"]:
        further = f"{1000 * row['further_track_cpu_s']:.1f}" if "further_track_cpu_s" in row else "–"
        lines.append(
            f"| {row['tracks']:,} | {row['cpu_s']:.1f} | {row['wall_s']:.1f} | {further} "
            f"| {row['peak_mb'].get('worker', 0):.0f} / {row['peak_mb'].get('decoder', 0):.0f} |"
        )
    lines += ["", "| way | wall ms per further track | processor ms | times one core |", "|---|---|---|---|"]
    ways = report["ways"]
    times = {way: ways["one core"]["track_wall_s"] / ways[way]["track_wall_s"] for way in WAYS}
    for way in WAYS:
        lines.append(
            f"| {way} | {1000 * ways[way]['track_wall_s']:.1f} | {1000 * ways[way]['track_cpu_s']:.1f} "
            f"| {times[way]:.2f} |"
        )
    alone, both = (ways[f"control, {cores} of the cores"] for cores in CONTROL_CORES)
    best = alone["track_wall_s"] / both["track_wall_s"]
    lines += [
        "",
        f"**Control: two plain processes do {best:.2f} times what one does**, without Beam, pipes and tables, each "
        "pinned to a core. They hash, decode and classify the same files in the "
        f"same rounds: {1000 * alone['track_wall_s']:.1f} ms of wall time a track by one, "
        f"{1000 * both['track_wall_s']:.1f} ms by two ({1000 * alone['track_cpu_s']:.1f} and "
        f"{1000 * both['track_cpu_s']:.1f} ms of processor time). The job gains "
        f"{times['two cores']:.2f}: "
        + (
            "no less."
            if times["two cores"] >= best
            else f"{100 * (times['two cores'] - 1) / (best - 1):.0f} % of what they gain."
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--catalog", type=pathlib.Path, help="as for end_to_end.py (default: in --output)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--tracks", type=int, nargs=2, default=(40, 200), metavar=("FEW", "MANY"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--markdown", action="store_true", help="only write the tables again, from scaling.json")
    parser.add_argument(
        "--page", type=pathlib.Path, help="also put the tables into this page, such as docs/benchmarks.md"
    )
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    if not arguments.markdown:
        output.mkdir(parents=True, exist_ok=True)
        catalog = (arguments.catalog or output / "catalog").resolve()
        here = machine()
        with tempfile.TemporaryDirectory(dir=output) as folder:
            work = pathlib.Path(folder)
            config = work / "config.yaml"
            config.write_text(_CONFIG)
            flags = ["--config", str(config)]
            ways = measure_ways(tuple(arguments.tracks), arguments.rounds, catalog, work, flags)
            tracks = measure_tracks(arguments.sizes, catalog.with_name(f"{catalog.name}-small"), work, flags)
        report = {"machine": here, "rounds": arguments.rounds, "tracks": tracks, "ways": ways}
        (output / "scaling.json").write_text(json.dumps(report, indent=1) + "\n")
    tables = markdown(json.loads((output / "scaling.json").read_text()))
    (output / "scaling.md").write_text(tables)
    if arguments.page is not None:
        fill_page(arguments.page, "scaling", tables)
    print(tables, end="")


if __name__ == "__main__":
    main()
