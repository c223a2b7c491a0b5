"""What the number of windows does to accuracy, review share and cost.

python benchmarks/coverage.py --manifest corpus/manifest.csv --split dev --output out/coverage

Every setting decodes and classifies all tracks anew, as the main job does, in one process and its decoder processes.
Writes ``coverage.json``, ``coverage.md`` (the tables, also printed) and ``labels.jsonl`` (one line per setting and
track). Processor time is that of this process and its decoders, without loading the model; a quiet machine is wanted.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import sys
import tempfile
import time

import apache_beam as beam
import numpy as np

from models.errors import UserError
from models.labels_of_corpus import read_manifest
from models.litert_form import choose_runtime, served_metadata
from models.metrics import category_metrics
from models.saved_model import check_model_folder, shipped_model_folder
from models.taxonomy import CATEGORIES
from pipelines.command_line import IN_PROCESS_RUNNER
from pipelines.job_config import JobConfig, decode_plan, load_config
from transforms.audio_sources import AudioRoot
from transforms.decode_audio import DecodeRequest
from transforms.decoder_pool import close_shared_pools
from transforms.hear_audio import HearAudio
from transforms.judge_audio import HeardAudio
from transforms.model_inference import EarmarkModelHandler

FIXED = (1, 2, 3, 6, 12)
#: Shortest track of each table, in seconds: only on long ones do a few windows leave anything out.
GROUPS_S = (5, 30)


def settings_of(config: JobConfig, cost_shares: list[float]) -> dict[str, JobConfig]:
    """The settings to compare, by name."""

    def changed(**changes: dict) -> JobConfig:
        content = config.model_dump()
        for part, values in changes.items():
            content[part] = content[part] | values if isinstance(values, dict) else values
        return JobConfig.model_validate(content)

    audio = config.audio
    fixed = {
        f"{count} window{'s' * (count > 1)}": changed(
            coverage="sampled", audio={"sampled_windows": count, "max_sampled_windows": count}
        )
        for count in FIXED
    }
    adaptive = {f"adaptive, {audio.sampled_windows} to {audio.max_sampled_windows}": changed(coverage="sampled")}
    others = {
        f"adaptive, settled_cost_share {share:g}": changed(coverage="sampled", decision={"settled_cost_share": share})
        for share in cost_shares
    }
    return {**fixed, **adaptive, **others, "full": changed(coverage="full")}


def label_of(index: str, heard: HeardAudio) -> str:
    """One track's label as a line of JSON; only its ``index`` and ``error`` where there is none."""
    decision = heard.decision
    if decision is None:
        return json.dumps({"index": int(index), "error": heard.summary.error_type})
    label = {
        "index": int(index), "duration_s": heard.summary.duration_s, "windows": heard.windows,
        "category": decision.category, "probabilities": decision.probabilities.tolist(), "review": decision.review,
        "flags": decision.flags,
    }  # fmt: skip
    return json.dumps(label)


def measure(paths: list[str], root: str, model: str, config: JobConfig) -> tuple[list[dict], dict[str, float]]:
    """Label all tracks under one setting: the labels in the order of ``paths``, and what it cost in seconds."""
    metadata = check_model_folder(model)
    runtime = choose_runtime(config.model.runtime, metadata)
    metadata = served_metadata(metadata, runtime)
    handler = EarmarkModelHandler(model, config.model.batch_windows, config.model.threads, runtime)
    loaded = handler.load_model()  # held, so that the pipeline finds it
    before, began = _processor_s(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner=IN_PROCESS_RUNNER) as pipeline:
            audio = pipeline | beam.Create([(str(i), DecodeRequest(path)) for i, path in enumerate(paths)])
            heard = audio | HearAudio(
                AudioRoot(root, allow_outside_root=True, check_sha256=False),
                config.decode,
                decode_plan(config, metadata),
                handler,
                metadata.calibration,
                config.decision,
                lambda _, elements: elements,
            )
            _ = heard | beam.MapTuple(label_of) | beam.io.WriteToText(f"{folder}/labels")
        close_shared_pools()  # only an ended child's time is counted
        cost = {"wall_s": time.monotonic() - began, "processor_s": _processor_s() - before}
        lines = [line for file in pathlib.Path(folder).glob("labels*") for line in file.read_text().splitlines()]
    del loaded
    return sorted(map(json.loads, lines), key=lambda label: label["index"]), cost


def _processor_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def figures(labels: list[dict], full: list[dict], truths: list[str], at_least_s: float) -> dict:
    """The figures of the tracks that ``full`` measured as that long."""
    long = {label["index"] for label in full if label.get("duration_s", 0) >= at_least_s}
    chosen = [label for label in labels if label["index"] in long and "category" in label]
    called_by_full = {label["index"]: label["category"] for label in full if label["index"] in long}
    truth = np.array([CATEGORIES.index(truths[label["index"]]) for label in chosen], np.int64)
    probabilities = np.array([label["probabilities"] for label in chosen]).reshape(-1, len(CATEGORIES))
    auto = np.array([not label["review"] for label in chosen], bool)
    return category_metrics(truth, probabilities, auto) | {
        "not_labelled": len(long) - len(chosen),
        "mean_windows": float(np.mean([label["windows"] for label in chosen])) if chosen else None,
        "most_windows": max((label["windows"] for label in chosen), default=None),
        "category_unlike_full": sum(label["category"] != called_by_full[label["index"]] for label in chosen),
    }


def table(report: dict, at_least_s: float) -> str:
    """One group's figures as a Markdown table."""
    rows = [
        "| coverage | balanced accuracy | music called functional (`auto`) | review share | accuracy of `auto` "
        "| category unlike full | mean windows | processor s, all tracks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    tracks = 0
    for name, case in report["settings"].items():
        f = case["groups"][f"{at_least_s:g} s and longer"]
        tracks = f["tracks"]
        auto = "-" if f["accuracy_auto"] is None else f"{f['accuracy_auto']:.4f}"
        rows.append(
            f"| {name} | {f['balanced_accuracy']:.4f} | {f['music_called_functional']} "
            f"({f['music_called_functional_auto']}) | {100 * f['review_share']:.1f} % | {auto} "
            f"| {f['category_unlike_full']} | {f['mean_windows']:.2f} | {case['processor_s']:.1f} |"
        )
    counts = ", ".join(f"{count} {name}" for name, count in report["tracks"][f"{at_least_s:g} s and longer"].items())
    return (
        f"{tracks} tracks of {at_least_s:g} s and longer ({counts}), model {report['model_version']}:\n\n"
        + "\n".join(rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True, metavar="FILE")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--split", help="only rows of this split (default: all)")
    parser.add_argument("--model", metavar="DIR", help="model folder (default: the one that ships with Earmark)")
    parser.add_argument("--config", metavar="FILE", help="config of the main job")
    parser.add_argument(
        "--cost_shares", nargs="*", type=float, default=[], metavar="SHARE",
        help="values of decision.settled_cost_share to try beside the config's",
    )  # fmt: skip
    arguments = parser.parse_args()
    try:
        config = load_config(arguments.config)
        model = arguments.model or config.model.folder or shipped_model_folder()
        recordings, manifest_sha256 = read_manifest(arguments.manifest, for_training=False)
        version = check_model_folder(model).model_version
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    recordings = [r for r in recordings if arguments.split in (None, r.split)]
    paths, truths = [r.path for r in recordings], [r.label for r in recordings]
    root = str(pathlib.Path(arguments.manifest).parent)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    everything, costs = {}, {}
    with (folder / "labels.jsonl").open("w") as file:
        for name, case in settings_of(config, arguments.cost_shares).items():
            everything[name], costs[name] = measure(paths, root, model, case)
            print(f"{name}: {costs[name]}", file=sys.stderr, flush=True)
            for label in everything[name]:
                line = {"setting": name, "path": paths[label["index"]], "truth": truths[label["index"]], **label}
                file.write(json.dumps(line) + "\n")
            file.flush()
    full = everything["full"]
    report = {
        "model_version": version, "manifest_sha256": manifest_sha256, "split": arguments.split,
        "cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(),
        "tracks": {
            f"{s:g} s and longer": {
                c: sum(truths[x["index"]] == c for x in full if x.get("duration_s", 0) >= s) for c in CATEGORIES
            }
            for s in GROUPS_S
        },
        "settings": {
            name: costs[name]
            | {"groups": {f"{s:g} s and longer": figures(labels, full, truths, s) for s in GROUPS_S}}
            for name, labels in everything.items()
        },
    }  # fmt: skip
    tables = "\n\n".join(table(report, s) for s in GROUPS_S) + "\n"
    (folder / "coverage.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "coverage.md").write_text(tables)
    print(tables, end="")


if __name__ == "__main__":
    main()
