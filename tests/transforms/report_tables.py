"""Tables of a small run for the tests of its page, written as files without a pipeline."""

import datetime
import hashlib
import pathlib

from transforms.row_packs import encode_row
from transforms.run_tables import RunTables
from transforms.table_schemas import TABLES
from transforms.write_tables import parquet_bytes

LINEAGE = {
    "model_version": "m1", "taxonomy_version": "1", "run_id": "run-1", "run_date": datetime.date(2026, 1, 31),
}  # fmt: skip


def label(track_id: str, audio: str = "", **columns) -> dict:
    """A row of ``track_labels``; tracks with the same ``audio`` have the same sha256."""
    row = {
        "track_id": track_id, "isrc": None, "release_id": None, "title": f"Title of {track_id}", "artist": None,
        "audio_uri": f"{track_id}.flac", "audio_sha256": hashlib.sha256((audio or track_id).encode()).hexdigest(),
        "duration_s": 60.0, "category": "music", "functional_type": None, "decision": "review", "confidence": 0.9,
        "p_music": 0.9, "p_functional": 0.06, "p_speech": 0.04, "music_fraction": 1.0, "functional_fraction": 0.0,
        "speech_fraction": 0.0, "duplicate_of": None, "flags": ["uncertain"], "label_source": "audio", "licensor": None,
        **LINEAGE,
    }  # fmt: skip
    return row | columns


def segment(track_id: str, start_s: float, end_s: float, **columns) -> dict:
    """A row of ``track_segments``."""
    row = {
        "track_id": track_id,
        "start_s": float(start_s),
        "end_s": float(end_s),
        "category": "music",
        "functional_type": None,
    }
    return row | {"confidence": 0.9, **LINEAGE} | columns


def dead_letter(number: int, **columns) -> dict:
    """A row of ``dead_letters``."""
    row = {"track_id": f"gone-{number}", "catalog_row": f'{{"track_id": "gone-{number}"}}', "stage": "audio"}
    return row | {"error_type": "missing_audio", "message": f"no file {number}", **LINEAGE} | columns


def treatment(track_id: str, **columns) -> dict:
    """A row of ``royalty_treatments``."""
    row = {"track_id": track_id, "policy_id": "p", "policy_version": "2", "royalty_class": "music", "eligible": True}
    row |= {"ineligible_reason": None, "stream_weight": 1.0, "ddex_sound_recording_type": None}
    return row | LINEAGE | columns


def write(folder: pathlib.Path, files_per_table: int = 2, **rows: list[dict]) -> RunTables:
    """Write rows by table name, in files of about as many rows each."""
    files: dict[str, list[str]] = {}
    for table in TABLES:
        files[table] = []
        for number in range(files_per_table):
            path = folder / f"{table}-{number}.parquet"
            part = rows.get(table, [])[number::files_per_table]
            path.write_bytes(parquet_bytes(table, [encode_row(table, row) for row in part]))
            files[table].append(str(path))
    return RunTables(files)
