"""Which functional_type each subtype of the training corpus stands for, and reading its manifest."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import pathlib
from typing import Final

from models.errors import UserError
from models.evaluation_columns import optional_columns
from models.taxonomy import CATEGORIES, FUNCTIONAL, FUNCTIONAL_TYPES

#: Subtypes of functional recordings. A subtype that is missing here, such as ``drone_bed``, trains the category alone.
FUNCTIONAL_TYPE_OF_SUBTYPE: Final[dict[str, str]] = {
    "aircraft": "machine",
    "animals": "nature",
    "birds_nature": "nature",
    "crowd_city": "ambience",
    "engine": "machine",
    "fan_hum": "machine",
    "fire": "nature",
    "insects_frogs": "nature",
    "machine": "machine",
    "noise": "noise",
    "ocean": "nature",
    "rain": "nature",
    "sfx": "sound_effect",
    "silence": "silence",
    "stream_water": "nature",
    "thunder_storm": "nature",
    "train": "machine",
    "wind": "nature",
} | {name: name for name in FUNCTIONAL_TYPES}

COLUMNS: Final = ("path", "label", "subtype", "split", "package")
TRAIN: Final = "train"
DEV: Final = "dev"


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """One row of a manifest.

    Attributes
    ----------
    path
        Of the audio file, absolute.
    label
        Its category.
    subtype
        A finer word of the corpus; see ``FUNCTIONAL_TYPE_OF_SUBTYPE``.
    split
        ``train`` or ``dev``.
    package
        Where it comes from; no package is in two splits.
    extra
        What the manifest's optional columns say, as pairs of column and value; see ``models.evaluation_columns``.
    """

    path: str
    label: str
    subtype: str
    split: str
    package: str
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def functional_type(self) -> str | None:
        """Its functional_type; None when it is not functional or its subtype has none."""
        return FUNCTIONAL_TYPE_OF_SUBTYPE.get(self.subtype) if self.label == FUNCTIONAL else None


def read_manifest(manifest: str, for_training: bool = True) -> tuple[list[Recording], str]:
    """Read a manifest; return its recordings in file order and the sha256 of the file.

    Parameters
    ----------
    manifest
        A CSV file with the columns ``COLUMNS``.
    for_training
        Also demand what training needs: the splits train and dev, every category in both, no package in both.

    Raises
    ------
    UserError
        When the file cannot be read, a column is missing, a label or split is unknown, an optional column has a value
        that does not fit, an audio file is missing, or a package is in both splits. Names the line.
    """
    path = pathlib.Path(manifest)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"--manifest {manifest}: cannot be read ({reason}); give a CSV file.") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UserError(f"--manifest {manifest}: a row cannot be read ({error}); mend the file.") from error
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise UserError(f"--manifest {manifest}: lacks the column {missing[0]}; it needs {', '.join(COLUMNS)}.")
    recordings = []
    split_of_package: dict[str, str] = {}
    for line_number, row in rows:
        where = f"--manifest {manifest} line {line_number}"
        empty = [column for column in COLUMNS if not row[column]]
        if empty:
            raise UserError(f"{where}: {empty[0]} is empty; fill it in.")
        if row["label"] not in CATEGORIES:
            raise UserError(f"{where}: label {row['label']!r} is none of {', '.join(CATEGORIES)}.")
        if for_training and row["split"] not in (TRAIN, DEV):
            raise UserError(f"{where}: split {row['split']!r} is neither {TRAIN} nor {DEV}.")
        if for_training and split_of_package.setdefault(row["package"], row["split"]) != row["split"]:
            raise UserError(f"{where}: package {row['package']!r} is in both splits; a package belongs to one.")
        audio = path.parent.absolute() / row["path"]
        if not audio.is_file():
            raise UserError(f"{where}: {row['path']} is no file in {path.parent}; a path is relative to the manifest.")
        extra = () if for_training else optional_columns(row, where)
        label, subtype, split, package = (row[column] for column in COLUMNS[1:])
        recordings.append(Recording(str(audio), label, subtype, split, package, extra))
    if not recordings:
        raise UserError(f"--manifest {manifest}: has no rows; give one per recording.")
    for split in (TRAIN, DEV) if for_training else ():
        for category in CATEGORIES:
            if not any(r.split == split and r.label == category for r in recordings):
                raise UserError(
                    f"--manifest {manifest}: no {category} in the {split} split; every category needs some."
                )
    return recordings, hashlib.sha256(content).hexdigest()
