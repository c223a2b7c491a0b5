"""A model's card: Markdown whose figures all come from files that the jobs and benchmarks wrote."""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import Any, Final

import jinja2

from models.bootstrap import LEVEL, REPLICATES, SEED
from models.evaluation_record import Evaluation
from models.evaluation_slices import ALL, LONG, SHORT
from models.model_comparison import LEAST_PACKAGES
from models.saved_model import ModelMetadata
from models.taxonomy import CATEGORIES
from models.track_figures import LEAST_TRACKS_OF_TYPE
from transforms.evaluation_words import COUNTS, NONE, TITLES, number, with_interval

_SLICE_COLUMNS: Final = (
    "balanced_accuracy", "recall_music", "recall_functional", "recall_speech", "auroc_functional",
    "music_called_functional", "music_called_functional_auto", "review_share", "expected_calibration_error",
)  # fmt: skip
#: Slices of what ``build_evaluation_set`` makes: a manifest with all of them is taken for its.
_EVALUATION_SET: Final = frozenset({"slice:codecs", "slice:loudness", "slice:mixes", "slice:short_cuts"})
#: Evaluated forms that have a flag of their own; the version of a SavedModel's rows names none.
_RUNTIMES: Final = {"": "saved_model", "int8": "litert"}


@dataclasses.dataclass(frozen=True, slots=True)
class CardSources:
    """What a card is made from; every record is the content of a JSON file.

    Attributes
    ----------
    metadata
        Of the model.
    folder_bytes, litert_bytes
        Size of all files of the model folder but the evaluations, and of the LiteRT file; None without that.
    evaluations
        Each with its record.
    baselines
        Records of another model, by the place of the evaluation that was measured on the same.
    report
        ``training_report.json``, or None.
    files
        Recordings by split and category, or None where nobody counted.
    coverage, speed
        ``coverage.json`` and ``serving_speed.json``, or None.
    promotion
        ``promotion.json``, or None.
    """

    metadata: ModelMetadata
    folder_bytes: int
    litert_bytes: int | None
    evaluations: list[tuple[Evaluation, dict[str, Any]]]
    baselines: dict[int, dict[str, Any]]
    report: dict[str, Any] | None = None
    files: dict[str, dict[str, int]] | None = None
    coverage: dict[str, Any] | None = None
    speed: dict[str, Any] | None = None
    promotion: dict[str, Any] | None = None


def model_card(sources: CardSources) -> str:
    """The card as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("transforms", "templates"),
        autoescape=False,  # noqa: S701 - Markdown; what files say goes through `cell`
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"interval": with_interval, "number": number, "cell": cell, "shell_word": shell_word}
    text = environment.get_template("model_card.md.j2").render(
        **{field.name: getattr(sources, field.name) for field in dataclasses.fields(sources)},
        sections=[_section(sources, place) for place in range(len(sources.evaluations))],
        titles=TITLES,
        counts=COUNTS,
        dash=NONE,
        slice_columns=_SLICE_COLUMNS,
        categories=CATEGORIES,
        level=LEVEL,
        replicates=REPLICATES,
        seed=SEED,
        least_packages=LEAST_PACKAGES,
        least_tracks_of_type=LEAST_TRACKS_OF_TYPE,
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def cell(text: object) -> str:
    """Words of a manifest or a file as the text of a Markdown table's cell."""
    words = _one_line(str(text))
    for character in "\\`|<[*_":
        words = words.replace(character, "\\" + character)
    return words


def shell_word(text: object) -> str:
    """A word of a file as one word of a command."""
    return shlex.quote(_one_line(str(text)))


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _section(sources: CardSources, place: int) -> dict[str, Any]:
    """What the template shows of one evaluation."""
    evaluation, record = sources.evaluations[place]
    figures = record["figures"]
    return {
        "record": record,
        "title": _title(evaluation),
        "key_slices": {name: figures[name] for name in (ALL, LONG, SHORT) if name in figures},
        # LONG is the union of three of the ranges, and stands in the first table.
        "durations": {n.partition(":")[2]: f for n, f in figures.items() if n.startswith("duration:") and n != LONG},
        "slices": {n.partition(":")[2]: f for n, f in figures.items() if n.startswith("slice:")},
        "form": evaluation.form,
        "compared": _compared(record, sources.baselines.get(place)),
        "commands": _commands(evaluation, with_baseline="comparison" in record),
    }


def _title(evaluation: Evaluation) -> str:
    what = "Evaluation set" if evaluation.values.keys() >= _EVALUATION_SET else "Recordings"
    return (
        f"{what}, {f'split {cell(evaluation.split)}' if evaluation.split else 'all rows'}, {cell(evaluation.coverage)}"
    )


def _commands(evaluation: Evaluation, with_baseline: bool) -> list[str]:
    commands, manifest = [], "MANIFEST"
    if evaluation.values.keys() >= _EVALUATION_SET:
        commands = [
            "python -m pipelines.build_evaluation_set --manifest MANIFEST --split dev --output out/evaluation-set"
        ]
        manifest = "out/evaluation-set/manifest.csv"
    flags = [
        f"--manifest {manifest}",
        *([f"--split {shell_word(evaluation.split)}"] if evaluation.split else []),
        f"--coverage {shell_word(evaluation.coverage)}",
        *([f"--runtime {_RUNTIMES[evaluation.form]}"] if evaluation.form in _RUNTIMES else []),
        "--model MODEL",
        *(["--baseline BASELINE"] if with_baseline else []),
        "--output out/evaluation",
    ]
    return [*commands, f"python -m pipelines.evaluate_classifier {' '.join(flags)}"]


def _compared(record: dict[str, Any], baseline: dict[str, Any] | None) -> dict[str, Any] | None:
    """The other model's figures beside this one's: from the comparison of the same rows, else from two evaluations."""
    comparison = record.get("comparison")
    if comparison is not None:
        version, figures = comparison["baseline"]["model_version"], comparison["baseline_figures"]
        types, near = comparison["baseline_functional_type"], comparison.get("baseline_neighbours")
    elif baseline is not None:
        version, figures = baseline["model"]["model_version"], baseline["figures"]
        types, near = baseline["functional_type"], baseline.get("neighbours")
    else:
        return None
    wanted = [n for n in record["figures"] if n in (ALL, LONG, SHORT) or n.startswith(("duration:", "slice:"))]
    differences = comparison["slices"] if comparison is not None else {}
    return {
        "version": version,
        "paired": comparison,
        "rows": {
            name: (record["figures"][name], figures[name], differences.get(name)) for name in wanted if name in figures
        },
        "functional_type": types,
        "neighbours": near,
    }
