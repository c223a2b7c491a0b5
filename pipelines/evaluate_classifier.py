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
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.table import Table

from models.errors import UserError
from models.labels_of_corpus import Recording, read_manifest
from models.metrics import category_metrics
from models.saved_model import check_model_folder, shipped_model_folder
from models.taxonomy import CATEGORIES, TAXONOMY_VERSION
from models.window_records import DecodePlan
from pipelines.command_line import (
    EXIT_PUBLISHED,
    IN_PROCESS_RUNNER,
    ArgumentParser,
    check_beam_flags,
    exit_status,
    flags_of,
)
from pipelines.job_config import JobConfig, load_config
from transforms.audio_sources import AudioRoot
from transforms.dead_letters import dead_letter_row
from transforms.label_tracks import LabelSettings, LabelTracks, Lineage
from transforms.records import CatalogRow
from transforms.write_tables import WriteTable

#: Tracks from this length on are the ones that a catalog holds; shorter ones are reported beside them.
LONG_TRACK_S = 5.0


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser(
        "python -m pipelines.evaluate_classifier",
        "Label a manifest's audio as the main job would and compare with its labels. Writes metrics.json and labels.parquet.",
    )
    parser.add_argument(
        "--manifest", required=True, metavar="FILE", help="CSV with path, label, subtype, split, package"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for metrics.json and labels.parquet")
    parser.add_argument("--split", help="only rows of this split (default: all)")
    parser.add_argument("--model", metavar="DIR", help="model folder (default: the one that ships with Earmark)")
    parser.add_argument("--config", metavar="FILE", help="config of the main job")
    parser.add_argument("--coverage", choices=("sampled", "full"), help="windows spread over the track, or all of it")
    parser.add_argument("--baseline", metavar="DIR", help="another model to compare with (not built yet)")
    return parser


def build(
    pipeline: beam.Pipeline, recordings: Sequence[Recording], root: str, model: str, config: JobConfig, tables: str
) -> None:
    """Compose the job: recordings to the tables of labels and dead letters in the folder ``tables``."""
    metadata = check_model_folder(model)
    lineage = Lineage("evaluation", datetime.date(1970, 1, 1), metadata.model_version, TAXONOMY_VERSION)
    rows = [CatalogRow(track_id=str(i), audio_uri=r.path) for i, r in enumerate(recordings)]
    labelled = pipeline | beam.Create(rows) | LabelTracks(
        LabelSettings(
            audio_root=AudioRoot(root, allow_outside_root=True),
            decode=config.decode,
            plan=DecodePlan(coverage=config.coverage, sampled_windows=config.audio.sampled_windows),
            model_folder=model,
            calibration=metadata.calibration,
            decision=config.decision,
            lineage=lineage,
            batch_windows=config.model.batch_windows,
            model_threads=config.model.threads,
        )
    )  # fmt: skip
    _ = labelled["track_labels"] | WriteTable("track_labels", tables, 1)
    dead_letters = labelled["dead_letters"] | beam.Map(dead_letter_row, lineage.columns())
    _ = dead_letters | WriteTable("dead_letters", tables, 1)


def evaluate(
    recordings: Sequence[Recording], labels: pa.Table, dead_letters: pa.Table
) -> tuple[dict[str, Any], pa.Table]:
    """The figures, JSON-ready, and the labels with their truth, one row per labelled recording."""
    by_index = [recordings[int(i)] for i in labels["track_id"].to_pylist()]
    truth = np.array([CATEGORIES.index(r.label) for r in by_index], np.int64)
    probabilities = np.stack([labels[f"p_{name}"].to_numpy() for name in CATEGORIES], axis=1)
    auto = np.array([decision == "auto" for decision in labels["decision"].to_pylist()], bool)
    long = labels["duration_s"].to_numpy() >= LONG_TRACK_S
    known_type = [r.functional_type for r in by_index]
    typed = np.array(
        [t is not None and c == "functional" for t, c in zip(known_type, labels["category"].to_pylist(), strict=True)],
        bool,
    )
    right_type = np.array(
        [a == b for a, b in zip(known_type, labels["functional_type"].to_pylist(), strict=True)], bool
    )
    metrics = {
        "model_version": labels["model_version"][0].as_py() if len(labels) else None,
        "tracks_5_s_and_longer": category_metrics(truth[long], probabilities[long], auto[long]),
        "tracks_below_5_s": category_metrics(truth[~long], probabilities[~long], auto[~long]),
        "recall_by_subtype": {
            f"{label}/{subtype}": {
                "tracks": int(members.sum()),
                "recall": float((probabilities[members].argmax(axis=1) == CATEGORIES.index(label)).mean()),
            }
            for label, subtype in sorted({(r.label, r.subtype) for r in by_index})
            for members in [np.array([(r.label, r.subtype) == (label, subtype) for r in by_index])]
        },
        "functional_type": {
            "tracks": int(typed.sum()),
            "accuracy": float(right_type[typed].mean()) if typed.any() else None,
            "recall": {
                name: {"tracks": int(members.sum()), "recall": float(right_type[members].mean())}
                for name in sorted({t for t in known_type if t is not None})
                for members in [typed & np.array([t == name for t in known_type])]
                if members.any()
            },
        },
        "dead_letters": [
            {"path": recordings[int(row["track_id"])].path, "error_type": row["error_type"], "message": row["message"]}
            for row in dead_letters.select(["track_id", "error_type", "message"]).to_pylist()
        ],
    }
    told = labels.append_column("true_category", pa.array([r.label for r in by_index], pa.string()))
    told = told.append_column("path", pa.array([r.path for r in by_index], pa.string()))
    return metrics, told


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, label, compare, write.

    Returns
    -------
    int
        0.

    Raises
    ------
    UserError
        For a bad argument, config, manifest or model, before any work.
    """
    parser = make_parser()
    arguments, beam_flags = parser.parse_known_args(argv)
    check_beam_flags(beam_flags, flags_of(parser))
    if arguments.baseline is not None:
        raise UserError(f"--baseline {arguments.baseline}: this version compares no models; evaluate each by itself.")
    config = load_config(arguments.config)
    if arguments.coverage is not None:
        config = config.model_copy(update={"coverage": arguments.coverage})
    model = arguments.model or config.model.folder or shipped_model_folder()
    check_model_folder(model)
    recordings, manifest_sha256 = read_manifest(arguments.manifest, for_training=False)
    splits = sorted({r.split for r in recordings})
    if arguments.split is not None:
        if arguments.split not in splits:
            raise UserError(
                f"--split {arguments.split}: no row of {arguments.manifest} has it; there are {', '.join(splits)}."
            )
        recordings = [r for r in recordings if r.split == arguments.split]
    output = pathlib.Path(arguments.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be made ({error.strerror}); give a folder that can.") from error

    with tempfile.TemporaryDirectory(prefix="earmark-evaluation-") as tables:
        pipeline = beam.Pipeline(options=PipelineOptions([f"--runner={IN_PROCESS_RUNNER}", *beam_flags]))
        build(pipeline, recordings, str(pathlib.Path(arguments.manifest).parent), model, config, tables)
        pipeline.run().wait_until_finish()
        labels, dead_letters = (
            ds.dataset(f"{tables}/{name}", format="parquet").to_table() for name in ("track_labels", "dead_letters")
        )
    metrics, told = evaluate(recordings, labels, dead_letters)
    metrics |= {"manifest_sha256": manifest_sha256, "split": arguments.split, "coverage": config.coverage}
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    pq.write_table(told, output / "labels.parquet")
    _print(metrics, output)
    return EXIT_PUBLISHED


def _print(metrics: dict[str, Any], output: pathlib.Path) -> None:
    table = Table(title=f"{metrics['model_version']} ({metrics['coverage']} coverage)", title_justify="left")
    table.add_column("figure")
    columns = {"5 s and longer": metrics["tracks_5_s_and_longer"], "below 5 s": metrics["tracks_below_5_s"]}
    for name in columns:
        table.add_column(name, justify="right")
    figures = (
        "tracks", "balanced_accuracy", "accuracy", "auroc_functional", "music_called_functional",
        "music_called_functional_auto", "review_share", "accuracy_auto", "expected_calibration_error",
    )  # fmt: skip
    for figure in figures:
        values = [column[figure] for column in columns.values()]
        table.add_row(figure, *("-" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in values))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(
        f"{len(metrics['dead_letters'])} dead letters. Everything: {output}/metrics.json, {output}/labels.parquet"
    )


def main() -> None:
    """Console script ``earmark-evaluate-classifier``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
