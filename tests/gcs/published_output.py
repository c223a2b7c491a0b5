"""Catalogs and audio on the emulated store, the flags that name them, and what a reader finds after a run."""

import dataclasses
import hashlib
import json
import re

import pyarrow as pa

from tests.gcs.emulated_store import BUCKET, ROOT, RUN_DATE, EmulatedStore, table_in
from transforms.table_schemas import TABLES

#: By the ``audio_uri`` in the catalogs, the file of the sample shard that it is.
AUDIO = {
    "audio/crickets.opus": "sleep/10-crickets.opus",
    "audio/room.wav": "silence/01-room.wav",
    "audio/phrases.flac": "french/04-phrases.flac",
    "audio/žodžiai.mp3": "words/02-zodziai.mp3",
    "audio/latin.m4a": "lomiri/02-latin.m4a",
    "audio/la pyramide + [live].ogg": "words/03-pyramide.ogg",
    "audio/empty.mp3": "broken/empty.mp3",
    "audio/cut.mp3": "broken/half-a-song.mp3",
}
GATES = "gates: {max_dead_letter_share: 0.5, max_review_share: 1.0}\n"
OUTPUT = "out"
FLAGS = ("--audio_root", f"gs://{BUCKET}/in", "--output", f"gs://{BUCKET}/{OUTPUT}")


def put_audio(store: EmulatedStore) -> None:
    """Put all of ``AUDIO`` where ``FLAGS`` look for it."""
    for uri, sample in AUDIO.items():
        store.write(f"in/{uri}", (ROOT / "sample" / "audio" / sample).read_bytes())


@dataclasses.dataclass(frozen=True)
class Published:
    """What stood in the output folder at one moment."""

    objects: dict[str, int]  # name → generation
    tables: dict[str, pa.Table]
    run_id: str
    manifest: dict


def published(store: EmulatedStore) -> Published:
    """Read the output as the docs tell a reader to: from the manifest of the run that has not been replaced."""
    objects = store.generations(OUTPUT)
    (run_id,) = current_runs(objects)
    manifest = json.loads(store.read(f"{OUTPUT}/runs/{run_id}/manifest.json"))
    contents = {file["path"]: store.read(f"{OUTPUT}/{file['path']}") for file in manifest["files"]}
    for file in manifest["files"]:
        data = contents[file["path"]]
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    tables = {
        table: table_in([data for path, data in contents.items() if path.startswith(f"{table}/")]) for table in TABLES
    }
    return Published(objects, tables, run_id, manifest)


def current_runs(objects: dict[str, int]) -> list[str]:
    runs = {name.split("/")[1] for name in objects if re.fullmatch(r"runs/[^/]+/_SUCCESS", name)}
    return [run_id for run_id in sorted(runs) if f"runs/{run_id}/REPLACED_BY" not in objects]


def partition_objects(objects: dict[str, int], table: str) -> set[str]:
    return {name for name in objects if name.startswith(f"{table}/run_date={RUN_DATE}/") and not name.endswith("/")}
