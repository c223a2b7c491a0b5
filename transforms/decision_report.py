"""What a derivation of the decision rule found: tables on the console, and the config that the main job reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml
from rich.console import Console
from rich.table import Table

from models.calibration_comparison import CalibrationQuality
from models.decision import DecisionSettings
from models.decision_search import AS_CONFIGURED, WRITABLE, Outcome, Rule
from models.labelled_tracks import LabelledTracks


def print_derivation(
    source: str,
    bounds: Mapping[str, tuple[float, float]],
    alone: DecisionSettings,
    outcomes: Mapping[Rule, Outcome],
    calibrations: Mapping[str, CalibrationQuality],
    folds: int,
) -> None:
    """Print where labels are acted on, what each rule comes to, and which form of calibration is better.

    Parameters
    ----------
    source
        The labels in words.
    bounds
        The expected-cost rule as confidences, by category.
    alone
        Settings whose least confidences would have cost least without the expected-cost rule.
    outcomes, calibrations
        Measured on held-out packages.
    folds
        Parts of the cross-validation.
    """
    console = Console(soft_wrap=True)
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in source)
    console.print(f"{printable}\n", markup=False, highlight=False)
    console.print(
        _table(
            "Confidence from which a label is acted on: by the costs, and cheapest on these labels",
            ("category", "never below", "always from", "cheapest"),
            [
                (name, f"{never:.3f}", f"{always:.3f}", f"{getattr(alone.min_confidence, name):.3f}")
                for name, (never, always) in bounds.items()
            ],
        )
    )
    console.print(
        _table(
            f"Rules on held-out packages, {folds} parts (music lost: called functional, auto)",
            ("rule", "cost per 1,000", "review share", "wrong auto", "music lost"),
            [
                (
                    rule.name,
                    f"{found.cost_per_1000:.1f}",
                    f"{found.review_share:.3f}",
                    str(found.wrong_auto),
                    str(found.music_called_functional_auto),
                )
                for rule, found in outcomes.items()
            ],
        )
    )
    if not calibrations:
        console.print("Forms of calibration are compared when --model names the model that labelled.")
        return
    console.print(
        _table(
            f"Calibration on held-out packages, {folds} parts",
            ("form", "log loss", "calibration error", "accuracy"),
            [
                (form, f"{found.log_loss:.4f}", f"{found.expected_calibration_error:.4f}", f"{found.accuracy:.4f}")
                for form, found in calibrations.items()
            ],
        )
    )


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def config_text(
    source: str,
    tracks: LabelledTracks,
    derived: DecisionSettings,
    chosen: Rule,
    outcomes: Mapping[Rule, Outcome],
) -> str:
    """The settings as a config of the main job, with a comment of what they were derived from."""
    costs = "; ".join(f"{rule.name} {outcomes[rule].cost_per_1000:.1f}" for rule in WRITABLE)
    lines = [
        "# Written by python -m pipelines.derive_decision from",
        f"# {source}.",
        f"# Cost per 1,000 tracks on held-out packages: {costs}. Chosen: {chosen.name}.",
    ]
    if tracks.dominant_share is None:
        lines.append("# The labels do not say the dominant share, so min_dominant_share could only be kept or dropped.")
    if chosen is AS_CONFIGURED:
        lines.append("# Nothing that these labels suggest was cheaper on packages that it was not derived from.")
    return "\n".join(lines) + "\n" + yaml.safe_dump({"decision": derived.model_dump(mode="json")}, sort_keys=False)
