"""Reads the ``evaluation.json`` that ``evaluate_classifier`` writes: which model, on what, and the figures by slice."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import pathlib
from typing import Any, Final

from models.errors import UserError

#: Lists of single recordings: a model folder is passed on, and the paths of somebody's audio are no part of it.
_RECORDINGS: Final = ("worst", "dead_letters")
_MEND: Final = "give an evaluation.json that evaluate_classifier wrote"


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """One model measured on one manifest.

    Attributes
    ----------
    source
        Path that it was read from.
    content
        The file's bytes.
    model_version, form
        The model that was measured, and which form of it: what stands behind a dot in the version of its rows, such as
        ``int8``, or nothing.
    calibration
        What the file says of that model's calibration; None where it says nothing.
    manifest_sha256, split, coverage
        What it was measured on: hash of the manifest, the rows that were used (None for all) and how much of each
        track was heard. Two evaluations compare only when all three agree.
    tracks
        Tracks in each slice.
    values
        Figure by slice and name; None where it is not defined, such as a recall without tracks.
    """

    source: str
    content: bytes
    model_version: str
    form: str
    calibration: dict[str, Any] | None
    manifest_sha256: str
    split: str | None
    coverage: str
    tracks: dict[str, int]
    values: dict[str, dict[str, float | None]]

    @property
    def sha256(self) -> str:
        """Hash of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def measured_on(self) -> tuple[str, str, str]:
        """What two evaluations must have in common to be compared."""
        return self.manifest_sha256, self.split or "", self.coverage

    @property
    def file_name(self) -> str:
        """Name under which a model folder keeps it: split, coverage, start of the manifest's hash, form."""
        form = f"-{self.form}" if self.form else ""
        words = f"{self.split or 'all'}-{self.coverage}-{self.manifest_sha256[:8]}{form}"
        return "".join(c if c.isalnum() else "-" for c in words) + ".json"

    def kept_content(self) -> bytes:
        """What a model folder keeps of the file: all of it but the lists of single recordings."""
        record = json.loads(self.content)
        if not any(name in record for name in _RECORDINGS):
            return self.content
        kept = {name: value for name, value in record.items() if name not in _RECORDINGS}
        return (json.dumps(kept, indent=1) + "\n").encode()

    def described(self) -> str:
        """Manifest, split and coverage in words."""
        return f"manifest {self.manifest_sha256[:8]}, split {self.split or 'all'}, coverage {self.coverage}"


def model_and_form(row_version: str) -> tuple[str, str]:
    """Split the version that stands in rows into the model's, such as ``earmark-1.0.0+d82317eb``, and the form's."""
    name, plus, digits = row_version.partition("+")
    digits, _, form = digits.partition(".")
    return f"{name}{plus}{digits}", form


def read_evaluation(path: str | os.PathLike[str]) -> Evaluation:
    """Read and check one evaluation.

    Raises
    ------
    UserError
        When the file cannot be read or lacks a field; names file, field and value.
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"evaluation {path}: cannot be read ({error.strerror}); {_MEND}.") from error
    try:
        record = json.loads(content)
    except ValueError as error:
        raise UserError(f"evaluation {path}: is no JSON ({error}); {_MEND}.") from error
    model = _field(path, record, "model", dict)
    slices = _field(path, record, "figures", dict)
    if not slices:
        raise UserError(f"evaluation {path}: figures has no slice; {_MEND}.")
    split = record.get("split")
    version, form = model_and_form(_field(path, model, "model_version", str))
    return Evaluation(
        source=str(path),
        content=content,
        model_version=version,
        form=form,
        calibration=_field(path, model, "calibration", dict) if "calibration" in model else None,
        manifest_sha256=_field(path, record, "manifest_sha256", str),
        split=None if split is None else _field(path, record, "split", str),
        coverage=_field(path, record, "coverage", str),
        tracks={name: _field(path, figures, "tracks", int, f"figures.{name}.") for name, figures in slices.items()},
        values={name: _values(path, name, figures) for name, figures in slices.items()},
    )


def _field(path: str | os.PathLike[str], record: Any, name: str, kind: type, prefix: str = "") -> Any:
    if not isinstance(record, dict) or name not in record:
        raise UserError(f"evaluation {path}: lacks {prefix}{name}; {_MEND}.")
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"evaluation {path}: {prefix}{name} is {value!r}, but {kind.__name__} is expected; {_MEND}.")
    if value == "" or (isinstance(value, int) and value < 0):
        raise UserError(f"evaluation {path}: {prefix}{name} is {value!r}, which says nothing; {_MEND}.")
    return value


def _values(path: str | os.PathLike[str], name: str, figures: dict[str, Any]) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for figure, entry in figures.items():
        if not isinstance(entry, dict) or "value" not in entry:
            continue  # the count of tracks, and whatever is no single number
        value = entry["value"]
        if value is not None and (
            not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value)
        ):
            raise UserError(f"evaluation {path}: figures.{name}.{figure} is {value!r}, which is no number; {_MEND}.")
        values[figure] = None if value is None else float(value)
    return values
