"""Promote a model, or say why not: ``python -m pipelines.promote_model --help``."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from models.errors import UserError
from models.evaluation_record import Evaluation, read_evaluation
from models.litert_form import read_litert_file
from models.model_folder_hashes import PROMOTION_FILE
from models.promotion import reference_evaluations, write_promotion
from models.promotion_rules import (
    Comparison,
    PromotionSettings,
    compare_evaluations,
    compare_with_floors,
    is_made_hard,
)
from models.saved_model import ModelMetadata, check_model_folder, shipped_model_folder
from pipelines.command_line import EXIT_PUBLISHED, EXIT_REFUSED, ArgumentParser, exit_status, run_date
from pipelines.job_config import load_settings

_DESCRIPTION = """\
Promote a model: compare its evaluations with a reference model's and with absolute floors, and when nothing is worse,
store the evaluations in the model folder with promotion.json, which the main job asks for.

Exit status: 0 promoted; 2 bad arguments; 3 refused, and the model folder is as it was."""
_NONE = "none"
_FIRST_FIGURES = ("music_called_functional", "music_called_functional_auto")


@dataclasses.dataclass(frozen=True, slots=True)
class PromotionOptions:
    """Checked arguments of the command.

    Attributes
    ----------
    evaluations
        Of the model, at least one.
    references
        One for each of them, in their order; none for a first promotion.
    allowed
        Slices on which the model may be worse.
    date
        ``YYYY-MM-DD`` or None.
    """

    model: str
    metadata: ModelMetadata
    evaluations: list[Evaluation]
    references: list[Evaluation]
    settings: PromotionSettings
    allowed: list[str]
    date: str | None


def make_parser() -> ArgumentParser:
    """The parser of this command."""
    parser = ArgumentParser("python -m pipelines.promote_model", _DESCRIPTION)
    parser.add_argument("--model", required=True, metavar="DIR", help="local model folder")
    parser.add_argument(
        "--evaluation", action="append", required=True, metavar="FILE", help="evaluation.json of this model; repeatable"
    )
    parser.add_argument(
        "--against", action="append", metavar="PATH",
        help="the reference: a promoted model folder, or its evaluation.json (repeatable); 'none' for a first "
        "promotion (default: the model that ships with Earmark, when that is another one)",
    )  # fmt: skip
    parser.add_argument(
        "--allow", action="append", default=[], metavar="SLICE", help="let the model be worse on this slice; repeatable"
    )
    parser.add_argument("--config", metavar="FILE", help="rules; configs/promotion.yaml holds the defaults")
    parser.add_argument("--date", type=run_date, metavar="YYYY-MM-DD", help="stands in promotion.json (default: none)")
    return parser


def parse(argv: Sequence[str] | None) -> PromotionOptions:
    """Parse and check a command line.

    Raises
    ------
    UserError
        Names the flag or file, its value and the mend.
    """
    arguments = make_parser().parse_args(argv)
    settings = load_settings(arguments.config, PromotionSettings)
    metadata = check_model_folder(arguments.model)
    if not (pathlib.Path(arguments.model) / "saved_model.pb").is_file():
        raise UserError(
            f"--model {arguments.model}: holds no saved_model.pb; give a local folder that train_classifier wrote."
        )
    if metadata.litert is not None:
        read_litert_file(arguments.model, metadata)
    evaluations = [read_evaluation(path) for path in arguments.evaluation]
    for evaluation in evaluations:
        if evaluation.model_version != metadata.model_version:
            raise UserError(
                f"--evaluation {evaluation.source}: is of {evaluation.model_version}, but {arguments.model} holds "
                f"{metadata.model_version}; evaluate this model."
            )
        if evaluation.calibration not in (None, metadata.record()["calibration"]):
            raise UserError(
                f"--evaluation {evaluation.source}: was made with another calibration than {arguments.model} holds; "
                "evaluate this model."
            )
    _refuse_doubles("--evaluation", evaluations)
    references = _paired(evaluations, _references(arguments.against, metadata))
    slices = sorted({name for evaluation in evaluations for name in evaluation.values})
    for name in arguments.allow:
        if name not in slices:
            raise UserError(f"--allow {name}: no evaluation has this slice; there are {', '.join(slices)}.")
    for floor in settings.floors:
        if floor.slice not in slices:
            raise UserError(
                f"--evaluation {evaluations[0].source}: lacks the slice {floor.slice!r}, which has the floor of "
                f"{floor.figure}; there are {', '.join(slices)}."
            )
        if not floor.hard_sets and all(map(is_made_hard, evaluations)):
            raise UserError(
                f"--evaluation {evaluations[0].source}: every track of it is in a slice 'slice:…', for which the floor "
                f"of {floor.figure} does not hold; give an evaluation of ordinary audio too."
            )
    return PromotionOptions(
        model=arguments.model,
        metadata=metadata,
        evaluations=evaluations,
        references=references,
        settings=settings,
        allowed=sorted(set(arguments.allow)),
        date=arguments.date.isoformat() if arguments.date else None,
    )


def _references(against: list[str] | None, metadata: ModelMetadata) -> list[Evaluation]:
    if against == [_NONE]:
        return []
    if against is None:
        shipped = shipped_model_folder()
        if (
            check_model_folder(shipped).model_version == metadata.model_version
            or not (pathlib.Path(shipped) / PROMOTION_FILE).is_file()
        ):
            return []
        against = [shipped]
    references = [evaluation for path in against for evaluation in reference_evaluations(path)]
    versions = sorted({evaluation.model_version for evaluation in references})
    if len(versions) > 1:
        raise UserError(f"--against: the evaluations are of {len(versions)} models, {', '.join(versions)}; give one's.")
    _refuse_doubles("--against", references)
    return references


def _refuse_doubles(flag: str, evaluations: list[Evaluation]) -> None:
    seen: dict[str, Evaluation] = {}
    for evaluation in evaluations:
        other = seen.setdefault(evaluation.file_name, evaluation)
        if other is not evaluation:
            raise UserError(
                f"{flag} {evaluation.source}: was measured on what {other.source} was ({evaluation.described()}); give "
                "one of them."
            )


def _paired(evaluations: list[Evaluation], references: list[Evaluation]) -> list[Evaluation]:
    """The reference's evaluation for each of the model's, in order; of the same form when there is one."""
    if not references:
        return []
    paired = []
    for evaluation in evaluations:
        on_the_same = [reference for reference in references if reference.measured_on == evaluation.measured_on]
        if not on_the_same:
            raise UserError(
                f"--evaluation {evaluation.source}: was measured on {evaluation.described()}, but the reference "
                f"{references[0].model_version} on {'; '.join(r.described() for r in references)}; evaluate both "
                "models on one manifest, split and coverage."
            )
        paired.append(next((r for r in on_the_same if r.form == evaluation.form), on_the_same[0]))
    measured = {evaluation.measured_on for evaluation in evaluations}
    for reference in references:
        if reference.measured_on not in measured:
            raise UserError(
                f"--evaluation: the reference {reference.model_version} was also measured on {reference.described()}; "
                "evaluate this model on that too."
            )
    return paired


def compare(options: PromotionOptions) -> list[Comparison]:
    """Every comparison that the promotion rests on, music called functional first.

    Raises
    ------
    UserError
        When two evaluations do not compare, or neither says how much music is called functional.
    """
    against_reference = [
        comparison
        for evaluation, reference in zip(options.evaluations, options.references, strict=False)
        for comparison in compare_evaluations(evaluation, reference, options.settings, options.allowed)
    ]
    # With nothing known of what matters most, "nothing is worse" would mean nothing.
    for figure in _FIRST_FIGURES if options.references else ():
        if figure in options.settings.figures and not any(c.figure == figure for c in against_reference):
            raise UserError(
                f"--against: {figure} can be compared on no guarded slice; give evaluations that have it, with "
                "guarded slices that hold music."
            )
    order: list[str] = list(options.settings.figures)
    against_reference.sort(key=lambda comparison: order.index(comparison.figure))
    floors = [
        comparison
        for evaluation in options.evaluations
        for comparison in compare_with_floors(evaluation, options.settings, options.allowed)
    ]
    return against_reference + floors


def run(argv: Sequence[str] | None = None) -> int:
    """Compare, and promote when nothing is worse.

    Returns
    -------
    int
        0 when promoted, 3 when refused.

    Raises
    ------
    UserError
        For a bad argument, config, model or evaluation, before anything is written.
    """
    options = parse(argv)
    comparisons = compare(options)
    if worse := [comparison for comparison in comparisons if comparison.verdict == "worse"]:
        print(f"earmark: {options.metadata.model_version} is not promoted:", file=sys.stderr)
        for comparison in worse:
            print(f"  {comparison.sentence()}", file=sys.stderr)
        return EXIT_REFUSED
    path = write_promotion(
        options.model, options.metadata, options.evaluations, options.references, comparisons, options.settings,
        options.allowed, options.date,
    )  # fmt: skip
    for comparison in comparisons:
        if comparison.verdict == "allowed":
            print(f"Allowed though worse: {comparison.sentence()}")
    against = f"against {options.references[0].model_version}" if options.references else "against the floors alone"
    print(f"{options.metadata.model_version} is promoted: {len(comparisons)} figures {against}. See {path}.")
    return EXIT_PUBLISHED


def main() -> None:
    """Console script ``earmark-promote-model``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
