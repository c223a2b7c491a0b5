"""Write a model's card from what the jobs and benchmarks measured: ``python -m pipelines.write_model_card --help``."""

from __future__ import annotations

import collections
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import jinja2

from models.errors import UserError
from models.evaluation_record import Evaluation, model_and_form, read_evaluation
from models.labels_of_corpus import read_manifest
from models.model_folder_hashes import PROMOTION_FILE
from models.promotion import EVALUATIONS_FOLDER, read_promotion
from models.saved_model import ModelMetadata, check_model_folder
from models.taxonomy import CATEGORIES
from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status
from transforms.model_card import CardSources, model_card

CARD_FILE = "model_card.md"
REPORT_FILE = "training_report.json"


def make_parser() -> ArgumentParser:
    """The parser of this command."""
    parser = ArgumentParser(
        "python -m pipelines.write_model_card",
        "Write model_card.md into a model folder. Every figure comes from the files that are given; the prose is in\n"
        "transforms/templates/model_card.md.j2.",
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="local model folder")
    parser.add_argument(
        "--evaluation", action="append", metavar="FILE",
        help="evaluation.json of this model; repeatable (default: those that its promotion keeps)",
    )  # fmt: skip
    parser.add_argument(
        "--baseline_evaluation", action="append", default=[], metavar="FILE",
        help="evaluation.json of another model on the same audio; repeatable",
    )  # fmt: skip
    parser.add_argument("--coverage", metavar="FILE", help="coverage.json of benchmarks/coverage.py")
    parser.add_argument("--speed", metavar="FILE", help="serving_speed.json of benchmarks/serving_speed.py")
    parser.add_argument("--report", metavar="FILE", help=f"default: {REPORT_FILE} in the model folder, if it is there")
    parser.add_argument(
        "--manifest", metavar="FILE", help="what it was trained on, to count files that the report does not"
    )
    parser.add_argument("--output", metavar="FILE", help=f"default: {CARD_FILE} in the model folder")
    return parser


def parse(argv: Sequence[str] | None) -> tuple[CardSources, pathlib.Path]:
    """Read and check everything that a card is made from.

    Returns
    -------
    sources
        For :func:`transforms.model_card.model_card`.
    path
        Of the card.

    Raises
    ------
    UserError
        When a file cannot be read or is of another model; names the flag, the file and the mend.
    """
    arguments = make_parser().parse_args(argv)
    folder = pathlib.Path(arguments.model)
    metadata = check_model_folder(folder)
    promotion = read_promotion(folder) if (folder / PROMOTION_FILE).is_file() else None
    paths = arguments.evaluation or [str(folder / name) for name in (promotion.evaluations if promotion else ())]
    if not paths:
        raise UserError(f"--evaluation: is needed, since {folder} was not promoted and keeps no evaluation.")
    evaluations = [_evaluation(path, arguments.model, metadata) for path in paths]
    counted = _files(arguments.manifest, metadata)
    report_path = arguments.report or (str(folder / REPORT_FILE) if (folder / REPORT_FILE).is_file() else None)
    report = _record("--report", report_path, metadata)
    sources = CardSources(
        metadata=metadata,
        folder_bytes=sum(
            path.stat().st_size for path in folder.rglob("*") if path.is_file() and EVALUATIONS_FOLDER not in path.parts
        ),
        litert_bytes=(folder / metadata.litert.file).stat().st_size if metadata.litert is not None else None,
        evaluations=[(evaluation, json.loads(evaluation.content)) for evaluation in evaluations],
        baselines=_baselines(arguments.baseline_evaluation, evaluations, metadata),
        report=report,
        files=counted or (report.get("files") if report else None),
        coverage=_record("--coverage", arguments.coverage, metadata),
        speed=_record("--speed", arguments.speed, metadata),
        promotion=promotion.record if promotion else None,
    )
    return sources, pathlib.Path(arguments.output or folder / CARD_FILE)


def _evaluation(path: str, folder: str, metadata: ModelMetadata) -> Evaluation:
    evaluation = read_evaluation(path)
    if evaluation.model_version != metadata.model_version:
        raise UserError(
            f"--evaluation {path}: is of {evaluation.model_version}, but {folder} holds {metadata.model_version}; "
            "evaluate this model."
        )
    if evaluation.calibration not in (None, metadata.record()["calibration"]):
        raise UserError(
            f"--evaluation {path}: was made with another calibration than {folder} holds; evaluate this model."
        )
    return evaluation


def _baselines(
    paths: Sequence[str], evaluations: Sequence[Evaluation], metadata: ModelMetadata
) -> dict[int, dict[str, Any]]:
    """Each baseline's record by the place of the evaluation that was made on the same."""
    found: dict[int, dict[str, Any]] = {}
    for path in paths:
        baseline = read_evaluation(path)
        if baseline.model_version == metadata.model_version:
            raise UserError(f"--baseline_evaluation {path}: is of this model; give another one's.")
        places = [i for i, evaluation in enumerate(evaluations) if evaluation.measured_on == baseline.measured_on]
        if not places:
            raise UserError(
                f"--baseline_evaluation {path}: was measured on {baseline.described()}, but this model on "
                f"{'; '.join(evaluation.described() for evaluation in evaluations)}; evaluate both on the same."
            )
        for place in places:
            if place in found:
                raise UserError(f"--baseline_evaluation {path}: another one was measured on the same; give one.")
            found[place] = json.loads(baseline.content)
    return found


def _record(flag: str, path: str | None, metadata: ModelMetadata) -> dict[str, Any] | None:
    """The content of a JSON file that names this model's version."""
    if path is None:
        return None
    try:
        record = json.loads(pathlib.Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{flag} {path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise UserError(f"{flag} {path}: is no JSON ({error}); write it again.") from error
    version = record.get("model_version") if isinstance(record, dict) else None
    if not isinstance(version, str):
        raise UserError(f"{flag} {path}: names no model_version; is it the right file?")
    if model_and_form(version)[0] != metadata.model_version:
        raise UserError(f"{flag} {path}: is of {version}, not of {metadata.model_version}; measure this model.")
    return dict(record)


def _files(path: str | None, metadata: ModelMetadata) -> dict[str, dict[str, int]] | None:
    """Recordings by split and category."""
    if path is None:
        return None
    recordings, sha256 = read_manifest(path, for_training=False)
    if sha256 != metadata.data_sha256:
        raise UserError(
            f"--manifest {path}: has the sha256 {sha256[:12]}…, but the model was trained on "
            f"{metadata.data_sha256[:12]}…; give that one, or leave it out."
        )
    counts = collections.Counter((r.split, r.label) for r in recordings)
    return {
        split: {name: counts[split, name] for name in CATEGORIES} for split in sorted({r.split for r in recordings})
    }


def run(argv: Sequence[str] | None = None) -> int:
    """Read, check, write the card.

    Returns
    -------
    int
        0.

    Raises
    ------
    UserError
        For a bad argument or file, before anything is written.
    """
    sources, path = parse(argv)
    try:
        text = model_card(sources)
    except (jinja2.UndefinedError, KeyError, TypeError) as error:
        raise UserError(
            f"the card of {sources.metadata.model_version}: a file lacks what the card shows ({error}); write it again "
            "with this version of Earmark."
        ) from error
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {path}: cannot be written ({error.strerror}).") from error
    print(f"The card of {sources.metadata.model_version} is {path}: {len(sources.evaluations)} evaluations.")
    return EXIT_PUBLISHED


def main() -> None:
    """Console script ``earmark-write-model-card``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
