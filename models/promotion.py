"""Which model folders were promoted: writes ``promotion.json`` into one, and checks that it still fits the files."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, Final

from models.errors import UserError
from models.evaluation_record import Evaluation, read_evaluation
from models.model_folder_hashes import PROMOTION_FILE, folder_hashes
from models.promotion_rules import Comparison, PromotionSettings
from models.saved_model import ModelMetadata, check_model_folder

EVALUATIONS_FOLDER: Final = "evaluations"
_FORMAT: Final = 1
_MEND: Final = "promote the model with python -m pipelines.promote_model, or set model.allow_unpromoted: true"


@dataclasses.dataclass(frozen=True, slots=True)
class Promotion:
    """What a ``promotion.json`` says.

    Attributes
    ----------
    record
        Its content.
    evaluations
        Paths of the evaluations that it rests on, relative to the model folder.
    """

    record: dict[str, Any]
    evaluations: tuple[str, ...]


def write_promotion(
    folder: str | os.PathLike[str],
    metadata: ModelMetadata,
    evaluations: Sequence[Evaluation],
    references: Sequence[Evaluation],
    comparisons: Sequence[Comparison],
    settings: PromotionSettings,
    allowed: Sequence[str],
    date: str | None,
) -> pathlib.Path:
    """Copy the evaluations into the model folder and write ``promotion.json``, last.

    Of the evaluations the lists of single recordings are left out; their sha256 in ``promotion.json`` is that of the
    files that were given. Those of an earlier promotion go; nothing else in the folder changes. The same arguments give
    the same bytes.

    Parameters
    ----------
    folder, metadata
        The model that is promoted.
    evaluations, references
        Of this model, and of the one that it was compared with; no reference for a first promotion.
    comparisons
        All of them, none with the verdict ``worse``.
    settings, allowed
        The rules, and the slices that were named as exceptions.
    date
        Of the promotion, ``YYYY-MM-DD``, or None.

    Returns
    -------
    pathlib.Path
        The file that was written.
    """
    root = pathlib.Path(folder)
    kept = root / EVALUATIONS_FOLDER
    kept.mkdir(exist_ok=True)
    wanted = {evaluation.file_name: evaluation for evaluation in evaluations}
    for old in kept.glob("*.json"):
        if old.name not in wanted:
            old.unlink()
    for name, evaluation in wanted.items():
        (kept / name).write_bytes(evaluation.kept_content())
    record = {
        "format": _FORMAT,
        "result": "promoted",
        "date": date,
        "model_version": metadata.model_version,
        "taxonomy_version": metadata.taxonomy_version,
        "evaluations": [
            {
                "file": f"{EVALUATIONS_FOLDER}/{evaluation.file_name}",
                "sha256": evaluation.sha256,
                "manifest_sha256": evaluation.manifest_sha256,
                "split": evaluation.split,
                "coverage": evaluation.coverage,
                "form": evaluation.form,
            }
            for evaluation in evaluations
        ],
        "reference": {
            "model_version": references[0].model_version,
            "evaluations": [evaluation.sha256 for evaluation in references],
        }
        if references
        else None,
        "allowed_slices": sorted(allowed),
        "comparisons": [dataclasses.asdict(comparison) for comparison in comparisons],
        "rules": settings.model_dump(mode="json"),
        "files": folder_hashes(root),
    }
    path = root / PROMOTION_FILE
    unfinished = root / f".{PROMOTION_FILE}"
    unfinished.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return path


def read_promotion(folder: str | os.PathLike[str], named: str | None = None) -> Promotion:
    """Read a folder's ``promotion.json``; whether it fits the files is :func:`check_promoted`'s to say.

    Parameters
    ----------
    folder
        A local model folder.
    named
        What the user called the folder; by default its path.

    Raises
    ------
    UserError
        When there is none, or it is no promotion.
    """
    named = named or str(folder)
    try:
        text = (pathlib.Path(folder) / PROMOTION_FILE).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"model folder {named}: was not promoted, it holds no {PROMOTION_FILE}; {_MEND}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"model folder {named}: its {PROMOTION_FILE} cannot be read ({error}); {_MEND}.") from error
    try:
        record = json.loads(text)
        evaluations = tuple(str(entry["file"]) for entry in record["evaluations"])
        promoted = record["format"] == _FORMAT and record["result"] == "promoted" and isinstance(record["files"], dict)
    except (ValueError, KeyError, TypeError):
        promoted = False
    if not promoted:
        raise UserError(f"model folder {named}: its {PROMOTION_FILE} is no promotion; {_MEND}.")
    return Promotion(record, evaluations)


def check_promoted(folder: str | os.PathLike[str], named: str | None = None) -> Promotion:
    """Check that a model was promoted and is still what was promoted.

    Markdown may change: it is for people, and a card may be mended.

    Parameters
    ----------
    folder
        A local model folder.
    named
        What the user called the folder; by default its path.

    Raises
    ------
    UserError
        One sentence: no promotion, or the first file that is not the one that was promoted.
    """
    named = named or str(folder)
    promotion = read_promotion(folder, named)
    promoted, found = (
        {name: sha256 for name, sha256 in hashes.items() if not name.endswith(".md")}
        for hashes in (promotion.record["files"], folder_hashes(folder))
    )
    for name in sorted({*promoted, *found}):
        if promoted.get(name) != found.get(name):
            change = "missing" if name not in found else "new" if name not in promoted else "changed"
            raise UserError(f"model folder {named}: {name} is {change} since the promotion; {_MEND}.")
    version = check_model_folder(folder).model_version
    if promotion.record.get("model_version") != version:
        raise UserError(
            f"model folder {named}: holds {version}, but {PROMOTION_FILE} is of "
            f"{promotion.record.get('model_version')}; {_MEND}."
        )
    return promotion


def reference_evaluations(path: str) -> list[Evaluation]:
    """Evaluations of the model to compare with.

    Parameters
    ----------
    path
        A promoted model folder, or one ``evaluation.json``.

    Raises
    ------
    UserError
        When the folder was not promoted, or an evaluation cannot be read.
    """
    if not pathlib.Path(path).is_dir():
        return [read_evaluation(path)]
    promotion = check_promoted(path)
    return [read_evaluation(pathlib.Path(path) / name) for name in promotion.evaluations]
