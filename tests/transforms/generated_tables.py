"""Small runs made up from a seed: rows of all tables, the tallies that go with them, and ways to write them."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import random
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.gates import GateSettings, read_gates
from transforms.publish_manifest import build_manifest
from transforms.reconcile import Reconcile
from transforms.records import RowTally, key_hash
from transforms.row_packs import encode_row
from transforms.run_summary import RunSummary, StagedFile
from transforms.table_schemas import TABLES
from transforms.whole_files import write_whole_file
from transforms.write_tables import WriteTable, parquet_bytes

RUN_DATE = datetime.date(2026, 1, 31)
EMBEDDING_SIZE = 8


@dataclasses.dataclass(frozen=True)
class GeneratedRun:
    """Rows per table and the tallies at the three ends."""

    run_id: str
    run_date: datetime.date
    tables: dict[str, list[dict[str, Any]]]
    read: list[RowTally]
    labelled: list[RowTally]
    dead: list[RowTally]


def generate_run(
    run_id: str, tracks: int = 12, *, run_date: datetime.date = RUN_DATE, seed: str | None = None
) -> GeneratedRun:
    """A sound run: ``tracks`` labels, a sixth as many dead letters, and a catalog row that stood twice."""
    rng = random.Random(seed or run_id)
    lineage = {"model_version": "m1", "taxonomy_version": "1", "run_id": run_id, "run_date": run_date}
    tables: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    labelled, dead = [], []
    for number in range(tracks):
        track = {"track_id": f"träck-{number:04d}"}
        sha256 = {"audio_sha256": hashlib.sha256(track["track_id"].encode()).hexdigest()}
        category, kind = rng.choice([("music", None), ("functional", "noise"), ("speech", None)])
        label = {"category": category, "functional_type": kind}
        tables["track_labels"].append(
            track | sha256 | label | lineage
            | dict.fromkeys(("isrc", "release_id", "artist", "duplicate_of"))
            | {"licensor": (None, "A", "B")[number % 3]}
            | {"title": rng.choice(["Rain", None]), "audio_uri": f"{number}.flac", "label_source": "audio"}
            | {"duration_s": rng.uniform(5, 300), "decision": rng.choice(["auto", "auto", "review"])}
            | {name: rng.random() for name in ("confidence", "p_music", "p_functional", "p_speech")}
            | {f"{name}_fraction": rng.random() for name in ("music", "functional", "speech")}
            | {"flags": rng.choice([[], ["mixed_content", "truncated"]])}
        )  # fmt: skip
        for start_s in (0.0, 10.0):
            span = {"start_s": start_s, "end_s": start_s + 5.0, "confidence": rng.random()}
            tables["track_segments"].append(track | span | label | lineage)
        vector = np.array([rng.gauss(0, 1) for _ in range(EMBEDDING_SIZE)], np.float32)
        version = {"audio_uri": f"{number}.flac", "size_bytes": 1000 + number, "storage_version": "1.1"}
        tables["audio_versions"].append(track | sha256 | version | {"audio_etag": None} | lineage)
        tables["track_embeddings"].append(track | sha256 | {"embedding": vector} | lineage)
        treatment = {"policy_id": "p", "policy_version": "2", "royalty_class": "music", "eligible": True}
        treatment |= {"ineligible_reason": None, "stream_weight": 1.0, "ddex_sound_recording_type": None}
        tables["royalty_treatments"].append(track | treatment | lineage)
        labelled.append(RowTally.of_place(f"catalog:{number}"))
    for number in range(tracks // 6):
        error = {"stage": "audio", "error_type": "missing_audio", "message": f"there is no file {number}.wav"}
        track = {"track_id": None if number % 2 else f"gone-{number}", "catalog_row": f'{{"raw": "{run_id} {number}"}}'}
        tables["dead_letters"].append(track | error | lineage)
        dead.append(RowTally.of_place(f"catalog:dead-{number}"))
    read = labelled + dead
    if labelled:
        twin = RowTally.of_place("catalog:twin")
        labelled, read = [labelled[0] + twin, *labelled[1:]], [*read, twin]
    return GeneratedRun(run_id, run_date, tables, read, labelled, dead)


def runner_options(workers: int = 1, mode: str = "in_memory") -> PipelineOptions:
    return PipelineOptions([f"--direct_num_workers={workers}", f"--direct_running_mode={mode}"])


def write_with_beam(
    run: GeneratedRun,
    staging_dir: str,
    shards: int = 3,
    *,
    options: PipelineOptions | None = None,
    seed: int = 0,
    policies: Sequence[str] = (),
) -> None:
    """The part of the main job that is tested here: rows in an order made from ``seed`` → files and summary."""
    rng = random.Random(seed)

    def create(elements: list[Any]) -> beam.PTransform:
        return beam.Create(rng.sample(elements, len(elements)), reshuffle=options is not None)

    with beam.Pipeline(FnApiRunner(), options=options or runner_options()) as pipeline:
        count = beam.pvalue.AsSingleton(pipeline | "Shards" >> beam.Create([shards]))
        tables = {table: pipeline | table >> create(rows) for table, rows in run.tables.items()}
        tallies = {end: pipeline | end >> create(getattr(run, end)) for end in ("read", "labelled", "dead")}
        files = [
            rows | f"Write {table}" >> WriteTable(table, staging_dir, count) for table, rows in tables.items()
        ] | beam.Flatten()
        _ = {**tallies, **tables, "files": files} | Reconcile(
            run.run_id, run.run_date.isoformat(), staging_dir, policies
        )


def write_directly(run: GeneratedRun, staging_dir: str, shards: int = 1) -> RunSummary:
    """The same kind of files without a pipeline, by default one per table: quick."""
    files = []
    for table, shard in itertools.product(run.tables, range(shards)):
        rows = [
            row
            for row in run.tables[table]
            if key_hash(row["track_id"] if row["track_id"] is not None else row["catalog_row"]) % shards == shard
        ]
        data = parquet_bytes(table, [encode_row(table, row) for row in rows])
        sha256 = hashlib.sha256(data).hexdigest()
        path = f"{table}/part-{shard:05d}-of-{shards:05d}-{sha256[:8]}.parquet"
        write_whole_file(staging_dir, path, data)
        files.append(StagedFile(table, path, len(rows), len(data), sha256))
    tables = {table: RowTally(len(rows), 0) for table, rows in run.tables.items()}
    return RunSummary(run.run_id, run.run_date.isoformat(), tables=tables, files=tuple(sorted(files)))


def manifest_of(summary: RunSummary) -> dict[str, Any]:
    return build_manifest(
        summary,
        read_gates(summary, None, GateSettings()),
        model={"model_version": "m1"},
        config={"coverage": "sampled"},
        catalog={"digest": "c"},
    )


def sorted_rows(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as comparable text, in one order, with vectors as lists."""
    plain = [
        {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}
        for row in rows
    ]
    return sorted(repr(sorted(row.items())) for row in plain)
