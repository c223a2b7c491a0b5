"""What a daily run costs beside a full one: ``python benchmarks/incremental.py --output out/benchmarks``.

For each ``--rows`` N it makes up a published run of N tracks and the catalog of the day after: the same N rows, and new
ones (1 %, at most ``--most_new``) with real audio, copies of the sample's songs made distinct by a few bytes behind
their end. The N have no audio files: the catalog's ``audio_etag`` says that they are unchanged, so no file is looked
up (``--lookup`` gives them one that is, by size and times, without reading it). Two runs of the main job are measured,
each a process of its own: the incremental one, and one that labels the new rows alone. Their difference is what the N
carried rows cost. Processor time covers decoder processes; peak memory is the largest of any one process.
"""

import argparse
import datetime
import hashlib
import json
import multiprocessing
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from models.taxonomy import CATEGORIES, TAXONOMY_VERSION  # noqa: E402
from pipelines.categorize_options import parse  # noqa: E402
from transforms.gates import GateSettings, read_gates  # noqa: E402
from transforms.previous_run import noted_audio_root  # noqa: E402
from transforms.publish_manifest import build_manifest  # noqa: E402
from transforms.publishing import Publication  # noqa: E402
from transforms.records import RowTally, key_hash  # noqa: E402
from transforms.run_summary import RunSummary, StagedFile  # noqa: E402
from transforms.table_schemas import TABLES  # noqa: E402
from transforms.whole_files import write_whole_file  # noqa: E402
from transforms.write_tables import parquet_file, shard_count  # noqa: E402

BEFORE, NOW = "2026-01-31", "2026-02-01"
ROWS_PER_FILE = 250_000
EMBEDDING_SIZE = 128
TITLES = [
    "Rain on the Roof",
    "Piano Sonata No. 2",
    "Elf Land",
    "Main Theme",
    "White Noise for Sleep",
    "Chapter 3",
    "Go",
]
CONFIG = "gates: {max_dead_letter_share: null, max_review_share: null, max_label_drift: null}\n"


def made_up(numbers: np.ndarray, lookup: bool) -> dict[str, np.ndarray | list]:
    """Columns of tracks by their numbers: the same on both days. One in twenty has the audio of another."""
    rng = np.random.default_rng(numbers[0] if len(numbers) else 0)
    audio = np.where(numbers % 20 == 19, numbers - 1, numbers)
    category = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 2])[audio % 10]
    return {
        "numbers": numbers,
        "track_id": [f"trk_{number:09d}" for number in numbers.tolist()],
        "audio_uri": ["audio/one.mp3" if lookup else f"audio/{number:09d}.mp3" for number in audio.tolist()],
        "audio_sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in audio.tolist()],
        "audio_etag": [None if lookup else f"etag-{number}" for number in audio.tolist()],
        "release_id": [f"rel_{number // 10:08d}" for number in numbers.tolist()],
        "title": [TITLES[number % len(TITLES)] for number in numbers.tolist()],
        "category": [CATEGORIES[code] for code in category.tolist()],
        "functional_type": ["nature" if code == 1 else None for code in category.tolist()],
        "duration_s": np.round(rng.uniform(20, 300, len(numbers)), 6),
        "category_code": category,
        "rng": rng,
    }


def partition_tables(made: dict, lineage: dict, stored: tuple[int, str | None]) -> dict[str, pa.Table]:
    """Tables of one file each, as a real run leaves them."""
    count, rng = len(made["track_id"]), made["rng"]
    same = {name: [value] * count for name, value in lineage.items()}
    p = np.full((count, 3), 0.01)
    p[np.arange(count), made["category_code"]] = 0.98
    shared = {name: made[name] for name in ("track_id", "audio_uri", "audio_sha256", "audio_etag")} | same
    columns = {
        **made, **same,
        "isrc": [None] * count, "artist": ["Somebody"] * count, "decision": ["auto"] * count,
        "confidence": np.full(count, 0.98), "duplicate_of": [None] * count, "flags": [[]] * count,
        "label_source": ["audio"] * count, "licensor": [None] * count,
        **{f"p_{name}": p[:, index] for index, name in enumerate(CATEGORIES)},
        **{f"{name}_fraction": p[:, index] for index, name in enumerate(CATEGORIES)},
    }  # fmt: skip
    vectors = rng.standard_normal((count, EMBEDDING_SIZE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    offsets = pa.array(np.arange(count + 1) * EMBEDDING_SIZE, pa.int32())
    kind = TABLES["track_embeddings"].field("embedding").type
    embedding = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)), type=kind)
    twice = {name: [value for value in columns[name] for _ in range(2)] for name in columns if name in SEGMENT_COLUMNS}
    twice |= {"start_s": np.tile([0.0, 10.0], count), "end_s": np.tile([10.0, 20.0], count)}
    return {
        "track_labels": table("track_labels", columns),
        "track_segments": table("track_segments", twice),
        "track_embeddings": table("track_embeddings", shared | {"embedding": embedding}),
        "audio_versions": table(
            "audio_versions", shared | {"size_bytes": [stored[0]] * count, "storage_version": [stored[1]] * count}
        ),
    }


SEGMENT_COLUMNS = TABLES["track_segments"].names


def table(name: str, columns: dict) -> pa.Table:
    schema = TABLES[name]
    arrays = [
        columns[field.name] if isinstance(columns[field.name], pa.Array) else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def publish_made_up(rows: int, output: pathlib.Path, options, lookup: bool, stored: tuple[int, str | None]) -> None:
    """Publish a run of ``rows`` tracks, file by file."""
    run_id = f"{BEFORE}-madeup"
    lineage = {
        "model_version": options.model.model_version, "taxonomy_version": TAXONOMY_VERSION, "run_id": run_id,
        "run_date": datetime.date.fromisoformat(BEFORE),
    }  # fmt: skip
    shards = shard_count(rows, ROWS_PER_FILE)
    hashes = np.fromiter((key_hash(f"trk_{number:09d}") for number in range(rows)), np.uint64, rows)
    files = []
    with Publication(str(output), BEFORE, run_id) as publication:
        staging = publication.prepare()

        def add(name: str, data: bytes, number: int, shard: int, count: int) -> None:
            sha256 = hashlib.sha256(data).hexdigest()
            path = f"{name}/part-{shard:05d}-of-{count:05d}-{sha256[:8]}.parquet"
            write_whole_file(staging, path, data)
            files.append(StagedFile(name, path, number, len(data), sha256))

        for shard in range(shards):
            numbers = np.flatnonzero(hashes % np.uint64(shards) == shard)
            for name, rows_of in partition_tables(made_up(numbers, lookup), lineage, stored).items():
                add(name, parquet_file(name, rows_of), rows_of.num_rows, shard, shards)
        for name in ("royalty_treatments", "dead_letters"):
            add(name, parquet_file(name, TABLES[name].empty_table()), 0, 0, 1)
        summary = RunSummary(
            run_id, BEFORE, tables={"track_labels": RowTally(rows, 0)}, files=tuple(sorted(files))
        )  # fmt: skip
        manifest = build_manifest(
            summary, read_gates(summary, None, GateSettings()), model={"model_version": options.model.model_version},
            config={}, catalog={}, labelling=options.labelling,
            audio_root=noted_audio_root(options.audio_root),
        )  # fmt: skip
        publication.publish(summary.files, manifest)


def write_catalog(rows: int, folder: pathlib.Path, lookup: bool) -> None:
    """The N rows of the day after, in files of 250,000."""
    folder.mkdir()
    for first in range(0, rows, ROWS_PER_FILE):
        made = made_up(np.arange(first, min(rows, first + ROWS_PER_FILE)), lookup)
        columns = {name: made[name] for name in ("track_id", "audio_uri", "title", "release_id", "audio_etag")}
        columns["audio_etag"] = pa.array(columns["audio_etag"], pa.string())
        columns["artist"] = ["Somebody"] * len(made["track_id"])
        columns["release_title"] = ["Songs, Volume 1"] * len(made["track_id"])
        columns["duration_ms"] = [None] * len(made["track_id"])
        pq.write_table(pa.table(columns), folder / f"part-{first // ROWS_PER_FILE:05d}.parquet")


def add_new(count: int, root: pathlib.Path, catalog: pathlib.Path) -> None:
    """New tracks with audio of their own: the sample's songs with a few bytes behind their end."""
    songs = sorted((ROOT / "sample" / "audio").glob("*/*.mp3"))
    songs = [song for song in songs if song.parent.name not in ("broken", "silence") and song.stat().st_size > 200_000]
    (root / "new").mkdir(parents=True)
    ids = []
    for number in range(count):
        data = songs[number % len(songs)].read_bytes()
        (root / "new" / f"{number}.mp3").write_bytes(data + f"earmark-{number:08d}".encode())
        ids.append({"track_id": f"new_{number:07d}", "audio_uri": f"new/{number}.mp3", "title": "New"})
    pq.write_table(pa.Table.from_pylist(ids), catalog)


def measure(argv: list[str]) -> dict[str, float]:
    """One process of the job: wall and processor seconds, peak memory in MB."""
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.categorize_tracks", *argv], cwd=ROOT, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
        if status:
            log.seek(0)
            sys.exit(log.read().decode())
    return {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}


def case(rows: int, most_new: int, lookup: bool, work: pathlib.Path) -> dict[str, float]:
    new = max(1, min(rows // 100, most_new))
    # In a process of its own: a child's peak memory begins at what its parent holds.
    maker = multiprocessing.get_context("spawn").Process(target=make_up, args=(rows, new, lookup, work))
    maker.start()
    maker.join()
    if maker.exitcode:
        sys.exit(maker.exitcode)
    alone, output = flags_for_new(work), work / "out"
    only_new = measure(alone)
    shutil.copy(work / "new" / "new.parquet", work / "catalog" / "new.parquet")
    catalog = str(work / "catalog" / "*.parquet")
    daily = measure([*alone, "--catalog", catalog, "--output", str(output), "--previous", str(output)])
    (manifest,) = (json.loads(path.read_text()) for path in output.glob(f"runs/{NOW}-*/manifest.json"))
    if manifest["previous"]["tracks_carried"] != rows or manifest["previous"]["tracks_labelled"] != new:
        sys.exit(f"{rows} rows and {new} new ones, but {manifest['previous']}")
    return {
        "rows": rows, "new_rows": new, "lookup": lookup,
        "daily": daily, "new_rows_alone": only_new,
        "us_per_carried_row": 1e6 * (daily["cpu_s"] - only_new["cpu_s"]) / rows,
        "cpu_ms_per_new_row": 1e3 * only_new["cpu_s"] / new,
    }  # fmt: skip


def flags_for_new(work: pathlib.Path) -> list[str]:
    """The command line that labels the new rows alone; a later flag goes before an earlier one."""
    flags = ["--audio_root", str(work / "audio-root"), "--config", str(work / "config.yaml"), "--run_date", NOW]
    flags += ["--policy", "spotify", "--policy", "deezer"]
    return [*flags, "--catalog", str(work / "new" / "*.parquet"), "--output", str(work / "alone")]


def make_up(rows: int, new: int, lookup: bool, work: pathlib.Path) -> None:
    """Make the two catalogs, the new audio, and the published run."""
    root = work / "audio-root"
    (root / "audio").mkdir(parents=True)
    (root / "audio" / "one.mp3").write_bytes(b"one")
    status = (root / "audio" / "one.mp3").stat()
    (work / "config.yaml").write_text(CONFIG)
    write_catalog(rows, work / "catalog", lookup)
    (work / "new").mkdir()
    add_new(new, root, work / "new" / "new.parquet")
    stored = (status.st_size, f"{status.st_mtime_ns}.{status.st_ctime_ns}") if lookup else (1000, None)
    publish_made_up(rows, work / "out", parse(flags_for_new(work)), lookup, stored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--most_new", type=int, default=300)
    parser.add_argument("--lookup", action="store_true", help="compare by size and times of a file, not by etag")
    parser.add_argument("--work", help="folder for what is made up, removed at the end (default: a temporary one)")
    arguments = parser.parse_args()
    report = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(), "cases": []}
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    print("| carried rows | new | processor s | wall s | peak MB | µs per carried row | new alone: processor s | MB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.work) as work:
            found = case(rows, arguments.most_new, arguments.lookup, pathlib.Path(work))
        report["cases"].append(found)
        daily, alone = found["daily"], found["new_rows_alone"]
        print(
            f"| {rows:,} | {found['new_rows']:,} | {daily['cpu_s']:.1f} | {daily['wall_s']:.1f} | "
            f"{daily['peak_mb']:.0f} | {found['us_per_carried_row']:.0f} | {alone['cpu_s']:.1f} | "
            f"{alone['peak_mb']:.0f} |", flush=True,
        )  # fmt: skip
        (folder / "incremental.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
