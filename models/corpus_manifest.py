"""The manifest of a corpus: one row for each recording."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.corpus_recipe import Package, Rule
from models.taxonomy import MUSIC

MANIFEST_FILE: Final = "manifest.csv"
MANIFEST_COLUMNS: Final = (
    "path",
    "label",
    "subtype",
    "split",
    "source",
    "package",
    "version",
    "licence",
    "duration_s",
    "sha256",
    "hard_tags",
)
#: Tags of subtypes that are easily taken for another category.
_TAGS_OF_SUBTYPE: Final = {
    "percussion": "percussion_only",
    "lofi": "lofi",
    "birds_nature": "birdsong",
    "crowd_city": "crowd_speechlike",
    "drone_bed": "hum_drone_functional policy_ambiguous",
    "engine": "hum_drone_functional",
    "fan_hum": "hum_drone_functional",
    "machine": "hum_drone_functional",
    "silence": "silence",
}
_VERY_SHORT_S: Final = 2.0
_LOW_RATE_HZ: Final = 11_025


def manifest_row(
    package: Package,
    version: str,
    licence: str,
    rule: Rule,
    path: str,
    sha256: str,
    duration_s: float,
    rate_hz: int,
) -> dict[str, str]:
    """Make the row of a recording.

    Parameters
    ----------
    package, version
        Where it comes from.
    licence
        Of the recording, as far as its package tells.
    rule
        The one that took it.
    path, sha256
        Of the file in the corpus, relative to the manifest.
    duration_s
        Measured length, in seconds.
    rate_hz
        Sample rate in its package, in Hz; 0 when it is not known.
    """
    values = (
        path,
        rule.label or "",
        rule.subtype or "",
        package.split,
        package.source,
        package.name,
        version,
        licence,
        f"{duration_s:.3f}",
        sha256,
        " ".join(hard_tags(rule, duration_s, rate_hz)),
    )
    return dict(zip(MANIFEST_COLUMNS, values, strict=True))


def hard_tags(rule: Rule, duration_s: float, rate_hz: int) -> list[str]:
    """Say what makes a recording hard to tell, or its label doubtful."""
    subtype = rule.subtype or ""
    tags = _TAGS_OF_SUBTYPE.get(subtype, "").split()
    if rule.evidence == "name":
        tags.append("weak_label")
    if rule.label == MUSIC and "ambient" in subtype:
        tags.append("ambient_drone_music")
    if duration_s < _VERY_SHORT_S:
        tags.append("very_short")
    if 0 < rate_hz <= _LOW_RATE_HZ:
        tags.append("low_sample_rate")
    return sorted(tags)


def write_manifest(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write the manifest all at once, sorted by path, and delete the audio under ``audio/`` that is in no row.

    Readers see the old manifest or the new one; what goes are copies, and what an earlier build took.
    """
    manifest = folder / MANIFEST_FILE
    partial = manifest.with_name(f".partial-{manifest.name}")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["path"]))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(manifest)
    listed = {row["path"] for row in rows}
    for audio in (folder / "audio").rglob("*"):
        if audio.is_file() and audio.relative_to(folder).as_posix() not in listed:
            audio.unlink()
    return manifest
