"""Two runs as a comparison reads them: rows made by hand, written as the pipeline writes them, published by nobody."""

from __future__ import annotations

import datetime
import hashlib
import pathlib
from collections.abc import Iterable
from typing import Any

from transforms.published_runs import PublishedFile, PublishedRun
from transforms.row_packs import encode_row
from transforms.run_changes import ComparedRun
from transforms.whole_files import write_whole_file
from transforms.write_tables import parquet_bytes

CONFIG = {"coverage": "sampled", "audio": {}, "decision": {}}
LINEAGE = {
    "model_version": "m1", "taxonomy_version": "1", "run_id": "r", "run_date": datetime.date(2026, 11, 24),
}  # fmt: skip


def label(track_id: str, category: str = "music", **columns: Any) -> dict[str, Any]:
    """A row of ``track_labels``; a functional one is noise unless ``columns`` say otherwise."""
    return (
        dict.fromkeys(("isrc", "release_id", "title", "artist", "duplicate_of", "licensor"))
        | {"track_id": track_id, "category": category, "decision": "auto", "audio_uri": "a.flac", "duration_s": 100.0}
        | {"functional_type": "noise" if category == "functional" else None, "audio_sha256": "0" * 64, "flags": []}
        | dict.fromkeys(("confidence", "p_music", "p_functional", "p_speech"), 0.5)
        | {f"{name}_fraction": 0.5 for name in ("music", "functional", "speech")}
        | {"label_source": "audio"}
        | LINEAGE
        | columns
    )


def dead_letter(track_id: str | None, error_type: str = "decoder_crash") -> dict[str, Any]:
    return {
        "track_id": track_id, "catalog_row": "{}", "stage": "decode", "error_type": error_type,
        "message": "It crashed.",
    } | LINEAGE  # fmt: skip


def treatment(track_id: str, royalty_class: str, weight: float = 1.0, **columns: Any) -> dict[str, Any]:
    return (
        {"track_id": track_id, "policy_id": "p", "policy_version": "1", "royalty_class": royalty_class}
        | {"eligible": weight > 0, "stream_weight": weight, "ineligible_reason": None}
        | {"ddex_sound_recording_type": None}
        | LINEAGE
        | columns
    )


def compared(
    folder: pathlib.Path,
    labels: Iterable[dict[str, Any]] = (),
    dead_letters: Iterable[dict[str, Any]] = (),
    treatments: Iterable[dict[str, Any]] = (),
    config: dict[str, Any] | None = None,
) -> ComparedRun:
    """Write the tables below ``folder``, whose name is the run's id."""
    files = []
    for table, rows in (
        ("track_labels", labels), ("dead_letters", dead_letters), ("royalty_treatments", treatments),
    ):  # fmt: skip
        written = list(rows)
        data = parquet_bytes(table, [encode_row(table, row) for row in written])
        write_whole_file(str(folder), f"{table}.parquet", data)
        files.append(
            PublishedFile(
                table, str(folder / f"{table}.parquet"), len(written), len(data), hashlib.sha256(data).hexdigest()
            )
        )
    run = PublishedRun(
        folder.name, datetime.date(2026, 11, 24), "m1", "1", "c", tuple(files), {"config": config or CONFIG}
    )
    return ComparedRun(run, str(folder), f"--{folder.name}")
