"""How good a model is: label a manifest's audio as the main job would, and compare with the truth.

python -m pipelines.evaluate_classifier --manifest corpus/manifest.csv --split dev --output out/evaluation
"""

from __future__ import annotations

import datetime
import json
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions

from models.errors import UserError
from models.labels_of_corpus import Recording, read_manifest
from models.litert_form import choose_runtime, served_metadata
from models.saved_model import check_model_folder, shipped_model_folder
from models.taxonomy import TAXONOMY_VERSION
from pipelines.command_line import (
    EXIT_PUBLISHED,
    EXIT_REFUSED,
    IN_PROCESS_RUNNER,
    ArgumentParser,
    check_beam_flags,
    exit_status,
    flags_of,
)
from pipelines.job_config import JobConfig, decode_plan, load_config
from transforms.audio_sources import AudioRoot
from transforms.dead_letters import dead_letter_row
from transforms.evaluation import Labelled, compare_labels, evaluate, told_rows
from transforms.evaluation_console import print_figures
from transforms.evaluation_report import report_html
from transforms.label_tracks import LabelSettings, LabelTracks, Lineage
from transforms.output_folders import make_folder
from transforms.records import CatalogRow
from transforms.write_tables import WriteTable

_TABLES = ("track_labels", "track_embeddings", "dead_letters")


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser(
        "python -m pipelines.evaluate_classifier",
        "Label a manifest's audio as the main job would and compare with the truth, and with another model. Writes "
        "evaluation.json, evaluation.html and labels.parquet, with a baseline comparison.parquet too.",
    )
    parser.add_argument(
        "--manifest", required=True, metavar="FILE", help="CSV with path, label, subtype, split, package"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for what is written")
    parser.add_argument("--split", help="only rows of this split (default: all)")
    parser.add_argument("--model", metavar="DIR", help="model folder (default: the one that ships with Earmark)")
    parser.add_argument(
        "--runtime", choices=("auto", "litert", "saved_model"), help="form of the model (default: model.runtime)"
    )
    parser.add_argument("--config", metavar="FILE", help="config of the main job")
    parser.add_argument("--coverage", choices=("sampled", "full"), help="windows spread over the track, or all of it")
    parser.add_argument("--baseline", metavar="DIR", help="folder of another model to compare with, row by row")
    return parser


def build(
    pipeline: beam.Pipeline, recordings: Sequence[Recording], root: str, model: str, config: JobConfig, tables: str
) -> None:
    """Compose the job: recordings to the tables of labels, embeddings and dead letters in the folder ``tables``."""
    metadata = check_model_folder(model)
    runtime = choose_runtime(config.model.runtime, metadata)
    metadata = served_metadata(metadata, runtime)
    lineage = Lineage("evaluation", datetime.date(1970, 1, 1), metadata.model_version, TAXONOMY_VERSION)
    rows = [CatalogRow(track_id=str(i), audio_uri=r.path) for i, r in enumerate(recordings)]
    labelled = pipeline | beam.Create(rows) | LabelTracks(
        LabelSettings(
            audio_root=AudioRoot(root, allow_outside_root=True),
            decode=config.decode,
            plan=decode_plan(config, metadata),
            model_folder=model,
            calibration=metadata.calibration,
            decision=config.decision,
            lineage=lineage,
            batch_windows=config.model.batch_windows,
            model_threads=config.model.threads,
            runtime=runtime,
        )
    )  # fmt: skip
    rows_of = {**labelled, "dead_letters": labelled["dead_letters"] | beam.Map(dead_letter_row, lineage.columns())}
    for name in _TABLES:
        _ = rows_of[name] | WriteTable(name, tables, 1)


def label(
    recordings: Sequence[Recording], root: str, model: str, config: JobConfig, beam_flags: Sequence[str]
) -> Labelled:
    """Run the job and read its tables."""
    with tempfile.TemporaryDirectory(prefix="earmark-evaluation-") as folder:
        pipeline = beam.Pipeline(options=PipelineOptions([f"--runner={IN_PROCESS_RUNNER}", *beam_flags]))
        build(pipeline, recordings, root, model, config, folder)
        result = pipeline.run()
        result.wait_until_finish()
        labels, embeddings, dead_letters = (
            ds.dataset(f"{folder}/{name}", format="parquet").to_table() for name in _TABLES
        )
    windows = MetricsFilter().with_namespace("DecodeAudio").with_name("windows")
    counted = [counter.result for counter in result.metrics().query(windows)["counters"]]
    return Labelled.of_tables(labels, embeddings, dead_letters, sum(counted) if counted else None)


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, label, compare, write.

    Returns
    -------
    int
        0, or 3 when every recording is a dead letter, so that nothing was evaluated.

    Raises
    ------
    UserError
        For a bad argument, config, manifest or model, before any work.
    """
    parser = make_parser()
    arguments, beam_flags = parser.parse_known_args(argv)
    check_beam_flags(beam_flags, flags_of(parser))
    config = load_config(arguments.config)
    if arguments.coverage is not None:
        config = config.model_copy(update={"coverage": arguments.coverage})
    if arguments.runtime is not None:
        config = config.model_copy(update={"model": config.model.model_copy(update={"runtime": arguments.runtime})})
    model = arguments.model or config.model.folder or shipped_model_folder()
    for folder in (model, *([arguments.baseline] if arguments.baseline is not None else [])):
        choose_runtime(config.model.runtime, check_model_folder(folder))
    recordings, manifest_sha256 = read_manifest(arguments.manifest, for_training=False)
    splits = sorted({r.split for r in recordings})
    if arguments.split is not None:
        if arguments.split not in splits:
            raise UserError(
                f"--split {arguments.split}: no row of {arguments.manifest} has it; there are {', '.join(splits)}."
            )
        recordings = [r for r in recordings if r.split == arguments.split]
    output = pathlib.Path(arguments.output)
    make_folder("--output", output)

    root = str(pathlib.Path(arguments.manifest).parent)
    evaluated = evaluate(recordings, label(recordings, root, model, config, beam_flags), config.decision)
    record = {
        "model": _about(model, evaluated.labelled),
        "manifest_sha256": manifest_sha256,
        "split": arguments.split,
        "coverage": config.coverage,
        "mean_windows": evaluated.labelled.mean_windows,
        **evaluated.record,
    }
    # What an earlier evaluation compared is no part of this one.
    (output / "comparison.parquet").unlink(missing_ok=True)
    if arguments.baseline is not None:
        baseline = label(recordings, root, arguments.baseline, config, beam_flags)
        comparison, rows = compare_labels(evaluated, baseline)
        record["comparison"] = {"baseline": _about(arguments.baseline, baseline), **comparison}
        pq.write_table(rows, output / "comparison.parquet")
    pq.write_table(told_rows(evaluated), output / "labels.parquet")
    (output / "evaluation.html").write_text(report_html(record, evaluated, config.decision), encoding="utf-8")
    text = json.dumps(record, indent=1, allow_nan=False)
    (output / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    print_figures(record, str(output))
    if not evaluated.labelled.labels.num_rows:
        print(
            f"Nothing was evaluated: all {len(recordings)} recordings of {arguments.manifest} are dead letters; "
            f"{output / 'evaluation.html'} lists the causes.",
            file=sys.stderr,
        )
        return EXIT_REFUSED
    return EXIT_PUBLISHED


def _about(folder: str, labelled: Labelled) -> dict[str, Any]:
    """What the JSON says of a model: the version that stands in its labels, and what its folder says."""
    metadata = check_model_folder(folder).record()
    kept = ("taxonomy_version", "embedding_size", "calibration", "config_sha256", "data_sha256")
    return {
        "model_version": labelled.model_version or metadata["model_version"],
        "weights": metadata.get("weights"),
        **{field: metadata[field] for field in kept},
    }


def main() -> None:
    """Console script ``earmark-evaluate-classifier``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
