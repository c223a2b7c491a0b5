"""Train the classifier from a manifest of labelled audio: ``python -m pipelines.train_classifier --help``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import pathlib
import sys
from collections.abc import Sequence

from models.errors import UserError
from models.labels_of_corpus import Recording, read_manifest
from models.quiet_tensorflow import quiet_tensorflow
from models.saved_model import METADATA_FILE, load_model
from models.training_config import TrainingConfig, read_training_config
from pipelines.command_line import ArgumentParser, exit_status

REPORT_FILE = "training_report.json"


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Checked arguments of the job.

    Attributes
    ----------
    recordings, data_sha256
        The manifest's rows and the hash of the file.
    output, work
        Model folder to write, and folder of what can be used again: decoded audio and the pool of windows.
    teacher
        Folder of the teacher's weights, or None.
    config
        The training's settings.
    baseline
        Where a model of the teacher's embedding is written too, or None.
    """

    recordings: list[Recording]
    data_sha256: str
    output: pathlib.Path
    work: pathlib.Path
    teacher: str | None
    config: TrainingConfig
    baseline: pathlib.Path | None = None


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser(prog="earmark-train-classifier", description=__doc__ or "")
    parser.add_argument("--manifest", required=True, help="CSV with path, label, subtype, split and package")
    parser.add_argument("--output", required=True, help="model folder to write; must not hold anything else")
    parser.add_argument("--teacher", help="folder with YAMNet's weights as .npz; without it, labels alone teach")
    parser.add_argument(
        "--baseline", help="model folder to write too: linear heads on the teacher's embedding, to compare with"
    )
    parser.add_argument("--config", help="YAML such as configs/training.yaml, which holds the defaults")
    parser.add_argument("--work_dir", help="folder for decoded audio and windows (default: OUTPUT.work)")
    return parser


def parse(argv: Sequence[str] | None) -> TrainingOptions:
    """Read and check the arguments, without TensorFlow.

    Raises
    ------
    UserError
        Names the flag or key, its value and the mend.
    """
    arguments: argparse.Namespace = make_parser().parse_args(argv)
    config = read_training_config(arguments.config) if arguments.config is not None else TrainingConfig()
    output = _model_folder("--output", arguments.output)
    baseline = _model_folder("--baseline", arguments.baseline) if arguments.baseline is not None else None
    if baseline is not None and arguments.teacher is None:
        raise UserError(f"--baseline {baseline}: is made of the teacher's embedding; give --teacher too.")
    if baseline is not None and baseline.resolve() == output.resolve():
        raise UserError(f"--baseline {baseline}: is the folder of --output; give another one.")
    if arguments.teacher is not None:
        found = sorted(pathlib.Path(arguments.teacher).glob("*.npz"))
        if len(found) != 1:
            raise UserError(
                f"--teacher {arguments.teacher}: holds {len(found)} .npz files, want the one with the weights."
            )
    recordings, data_sha256 = read_manifest(arguments.manifest)
    work = pathlib.Path(arguments.work_dir) if arguments.work_dir else output.with_name(output.name + ".work")
    return TrainingOptions(recordings, data_sha256, output, work, arguments.teacher, config, baseline)


def _model_folder(flag: str, folder: str) -> pathlib.Path:
    """A folder that a model may be written to."""
    path = pathlib.Path(folder)
    if path.is_file():
        raise UserError(f"{flag} {path}: is a file; give a folder.")
    if path.is_dir() and any(path.iterdir()) and not (path / METADATA_FILE).is_file():
        raise UserError(f"{flag} {path}: holds files that are no model; give a new folder.")
    return path


def run(argv: Sequence[str] | None = None) -> int:
    """Train, export, measure on the dev split, and write the report; return the exit status."""
    options = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    with quiet_tensorflow():
        from models.training_job import train_model

    report = train_model(
        options.recordings,
        options.data_sha256,
        options.output,
        options.work,
        options.teacher,
        options.config,
        options.baseline,
    )
    load_model(options.output)
    (options.output / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    figures = report["dev"]["tracks_5s_and_more"]
    print(f"{report['model_version']} is in {options.output}, its figures in {REPORT_FILE}.")
    print(
        f"Dev tracks of 5 s and more: balanced accuracy {figures['balanced_accuracy'] or float('nan'):.3f} on "
        f"{figures['tracks']} tracks, {figures['music_called_functional']} pieces of music called functional."
    )
    return 0


def main() -> None:
    """Console script."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
