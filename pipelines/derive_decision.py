"""Derive the decision rule's settings from an evaluation: ``python -m pipelines.derive_decision --help``."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from models.calibration import Calibration
from models.calibration_comparison import CalibrationQuality, compare_calibrations, quality
from models.decision import DecisionSettings
from models.decision_search import (
    CONFIDENCE_ALONE,
    WRITABLE,
    cheapest,
    confidence_bounds,
    cost_curve,
    derive,
    held_out,
)
from models.errors import UserError
from models.evaluation_record import model_and_form
from models.labelled_tracks import COLUMNS, OPTIONAL_COLUMNS, LabelledTracks, labelled_tracks
from models.model_folder_hashes import file_sha256
from models.saved_model import check_model_folder, shipped_model_folder
from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status
from pipelines.job_config import load_config
from transforms.decision_report import config_text, print_derivation
from transforms.labels_parquet import read_labels

_DESCRIPTION = """\
Derive when a label is acted on from the cost model of a config and from labelled tracks, measure it on packages that it
was not derived from, and write what cost least as a config for the main job, with its cost curve beside it as JSON."""


@dataclasses.dataclass(frozen=True, slots=True)
class DerivationOptions:
    """Checked arguments of the command.

    Attributes
    ----------
    tracks
        The labels.
    source
        What the written config says of them.
    settings
        The costs, and the settings to start from.
    calibration
        Of the model that labelled, or None when that is not known.
    output, curve
        Files to write.
    folds
        Parts for cross-validation.
    """

    tracks: LabelledTracks
    source: str
    settings: DecisionSettings
    calibration: Calibration | None
    output: pathlib.Path
    curve: pathlib.Path
    folds: int


def parse(argv: Sequence[str] | None) -> DerivationOptions:
    """Parse and check a command line.

    Raises
    ------
    UserError
        Names the flag or file, its value and the mend.
    """
    parser = ArgumentParser("python -m pipelines.derive_decision", _DESCRIPTION)
    parser.add_argument("--labels", required=True, metavar="FILE", help="labels.parquet of evaluate_classifier")
    parser.add_argument("--output", required=True, metavar="FILE.yaml", help="config to write")
    parser.add_argument(
        "--config", metavar="FILE", help="config of the main job with the costs (default: its defaults)"
    )
    parser.add_argument("--curve", metavar="FILE.json", help="cost curve (default: OUTPUT with .json for .yaml)")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="parts for cross-validation (default: 5)")
    parser.add_argument(
        "--model", metavar="DIR", help="the model that labelled, to compare forms of its calibration (default: the "
        "one that ships with Earmark, when it did)",
    )  # fmt: skip
    parser.add_argument(
        "--min_duration_s", type=float, default=0.0, metavar="S", help="leave shorter tracks out (default: 0)"
    )
    arguments = parser.parse_args(argv)
    settings = load_config(arguments.config).decision
    if arguments.folds < 2:
        raise UserError(f"--folds {arguments.folds}: give 2 or more.")
    output = pathlib.Path(arguments.output)
    if output.suffix not in (".yaml", ".yml"):
        raise UserError(f"--output {output}: give a file that ends in .yaml.")
    curve = pathlib.Path(arguments.curve) if arguments.curve else output.with_suffix(".json")
    if curve.absolute() == output.absolute():
        raise UserError(f"--curve {curve}: is the file of --output; give another one.")
    for flag, path in (("--output", output), ("--curve", curve)):
        if not path.parent.is_dir() or path.is_dir():
            raise UserError(f"{flag} {path}: cannot be written; give a file in a folder that exists.")
    source_flag = f"--labels {arguments.labels}"
    table = read_labels(arguments.labels, source_flag)
    if "duration_s" in table.column_names:
        table = table.filter(pa.array(table["duration_s"].to_numpy() >= arguments.min_duration_s))
    columns = {name: table[name].to_pylist() for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name in table.column_names}
    tracks = labelled_tracks(columns, source_flag)
    versions = sorted(set(columns["model_version"]))
    if len(versions) > 1:
        raise UserError(
            f"--labels {arguments.labels}: is of {len(versions)} models, {', '.join(versions)}; give labels of one."
        )
    model = check_model_folder(arguments.model or shipped_model_folder())
    known = model.model_version == model_and_form(versions[0])[0]
    if arguments.model and not known:
        raise UserError(f"--model {arguments.model}: holds {model.model_version}, but {versions[0]} labelled.")
    source = (
        f"{len(tracks)} tracks of {len(np.unique(tracks.package))} packages, labelled by {versions[0]} "
        f"(sha256 of {pathlib.Path(arguments.labels).name}: {file_sha256(arguments.labels)})"
    )
    if arguments.min_duration_s:
        source += f", those of {arguments.min_duration_s:g} s and longer"
    calibration = model.calibration if known else None
    return DerivationOptions(tracks, source, settings, calibration, output, curve, arguments.folds)


def run(argv: Sequence[str] | None = None) -> int:
    """Derive, print, write.

    Returns
    -------
    int
        0.

    Raises
    ------
    UserError
        For a bad argument, config or file of labels, before anything is written.
    """
    options = parse(argv)
    tracks, settings = options.tracks, options.settings
    rules = (*WRITABLE, CONFIDENCE_ALONE)
    outcomes = {rule: held_out(tracks, settings, rule, options.folds) for rule in rules}
    calibrations = _calibrations(options)
    chosen = cheapest({rule: outcomes[rule] for rule in WRITABLE})
    derived = derive(tracks, settings, chosen)
    alone = derive(tracks, settings, CONFIDENCE_ALONE)

    print_derivation(options.source, confidence_bounds(settings.costs), alone, outcomes, calibrations, options.folds)
    options.output.write_text(config_text(options.source, tracks, derived, chosen, outcomes), encoding="utf-8")
    record = {
        "labels": options.source,
        "costs": settings.costs.model_dump(),
        "rules": {rule.name: dataclasses.asdict(result) for rule, result in outcomes.items()},
        "chosen": chosen.name,
        "calibrations": {form: dataclasses.asdict(found) for form, found in calibrations.items()},
        "curve": cost_curve(tracks, derived),
    }
    options.curve.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"Cheapest: {chosen.name}. It is in {options.output}, its cost curve in {options.curve}.")
    return EXIT_PUBLISHED


def _calibrations(options: DerivationOptions) -> dict[str, CalibrationQuality]:
    """Forms of calibration on held-out packages, and the model's own, which may have seen the very tracks."""
    if options.calibration is None:
        return {}
    # What the signal decides has no means.
    tracks = options.tracks.where(~options.tracks.by_signal)
    mean = options.calibration.undo(tracks.probabilities)
    return {
        "the model's own": quality(tracks.probabilities, tracks.truth),
        **compare_calibrations(mean, tracks.truth, tracks.package, options.folds),
    }


def main() -> None:
    """Console script ``earmark-derive-decision``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
