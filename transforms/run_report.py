"""A run's page, ``runs/<run_id>/report.html``: one file that asks for nothing else, runs nothing, and trusts no title.

Every value of a catalog passes Jinja's escaping; the page's policy forbids scripts, requests and styles that are not
its own, so that what slipped through would still do nothing.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

import jinja2
import numpy as np
from markupsafe import Markup

from models.decision import FLAGS, CostSettings, flag_meaning
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from transforms.records import ERROR_MEANINGS, ErrorType
from transforms.report_excerpts import Excerpt
from transforms.report_figures import CONFIDENCE_BINS, RunFigures
from transforms.report_settings import ReportSettings
from transforms.report_words import FILTERS
from transforms.run_summary import RunSummary
from transforms.run_timings import RunTimings

REPORT: Final = "report.html"
#: What every page has in its head, and how far into the file it stands at most.
_MARK: Final = b"<title>Earmark run "
_HEAD_BYTES: Final = 4096
#: How a player begins. A title cannot: its quotes are escaped.
_EXCERPT: Final = b'src="data:audio/'
#: Bars of the histogram, in percent; two bars of the least height stand above the tallest at most.
_LEAST_HEIGHT, _MOST_HEIGHT = 2.0, 96.0


@dataclasses.dataclass(frozen=True, slots=True)
class RunReport:
    """Everything that a page is made from.

    Attributes
    ----------
    manifest
        The run's, from :func:`transforms.publish_manifest.build_manifest`.
    previous
        Of the latest partition for an earlier date; null when there is none.
    excerpts
        One for each of ``figures.queue``, or none at all.
    no_excerpts
        Why there are none, as a sentence; null when there are.
    timings
        Null when they were not kept.
    notes
        From :func:`transforms.run_notes.catalog_notes`.
    """

    manifest: Mapping[str, Any]
    previous: RunSummary | None
    figures: RunFigures
    excerpts: Sequence[Excerpt]
    no_excerpts: str | None
    timings: RunTimings | None
    settings: ReportSettings
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A share now and in the previous run, 0 to 1; counts beside them."""

    name: str
    rows: int
    share: float
    rows_before: int
    share_before: float

    @property
    def points(self) -> float:
        """The change in percentage points."""
        return 100 * (self.share - self.share_before)


def is_run_page(stream: IO[bytes]) -> bool:
    """Whether an open file begins as a run's page does."""
    return _MARK in stream.read(_HEAD_BYTES)


def has_excerpts(page: bytes) -> bool:
    """Whether a run's page has excerpts to listen to."""
    return _EXCERPT in page


def report_html(report: RunReport) -> str:
    """Render the page."""
    summary = RunSummary.from_json(report.manifest["summary"])
    style = importlib.resources.files("transforms").joinpath("templates/run_report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    figures = report.figures
    template = _environment().get_template("run_report.html.j2")
    costs = CostSettings.model_validate(report.manifest["config"].get("decision", {}).get("costs", {}))
    return template.render(
        # Markup: our own file, and an escaped '>' would change both its meaning and its digest.
        style=Markup(style),  # noqa: S704
        policy=f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        manifest=report.manifest,
        summary=summary,
        gates=report.manifest["gates"],
        previous=report.previous,
        changes=_changes(summary, report.previous) if report.previous is not None else {},
        categories=CATEGORIES,
        by_category=summary.labels_by("category", "decision"),
        by_type=_by_type(summary),
        notes=report.notes,
        carried=summary.labels_by("label_source").get("carried", 0),
        histogram=_histogram(figures.confidence),
        figures=figures,
        queue=[
            (item, report.excerpts[place] if report.excerpts else None, _expected_cost(item.label, costs))
            for place, item in enumerate(figures.queue)
        ],
        review_cost=costs.review,
        no_excerpts=report.no_excerpts,
        flags=FLAGS,
        flag_meaning=flag_meaning,
        error_meanings={error.value: ERROR_MEANINGS[error] for error in ErrorType},
        policies=_policies(report.manifest, figures),
        timings=report.timings,
        settings=report.settings,
        tables=_tables(report.manifest),
    )


def _expected_cost(label: Mapping[str, Any], costs: CostSettings) -> float:
    """What acting on a label would cost on average, in the unit of the config's costs."""
    return costs.expected_cost(label["category"], np.array([label[f"p_{name}"] for name in CATEGORIES]))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("transforms", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


def _changes(summary: RunSummary, previous: RunSummary) -> dict[str, list[Change]]:
    """What the page compares with the previous run, by subject."""

    def changes(column: str, names: Sequence[str]) -> list[Change]:
        now, before = summary.labels_by(column), previous.labels_by(column)
        return [
            _change(name, now.get(name, 0), summary.label_rows, before.get(name, 0), previous.label_rows)
            for name in names
            if now.get(name, 0) or before.get(name, 0)
        ]

    causes = sorted({*summary.error_types, *previous.error_types})
    return {
        "Categories, of the labels": changes("category", CATEGORIES),
        "Functional types, of the labels": changes("functional_type", FUNCTIONAL_TYPES),
        "Waiting for review, of the labels": changes("decision", ("review",)),
        "Dead letters, of the catalog rows": [
            _change("all causes", summary.dead.rows, summary.read.rows, previous.dead.rows, previous.read.rows),
            *(
                _change(
                    cause,
                    summary.error_types.get(cause, 0),
                    summary.read.rows,
                    previous.error_types.get(cause, 0),
                    previous.read.rows,
                )
                for cause in causes
            ),
        ],
    }


def _change(name: str, rows: int, of: int, rows_before: int, of_before: int) -> Change:
    return Change(name, rows, rows / of if of else 0.0, rows_before, rows_before / of_before if of_before else 0.0)


def _by_type(summary: RunSummary) -> list[tuple[str, int, int]]:
    """Functional types that occur, with their labels by ``auto`` and ``review``, the most frequent first."""
    counts = summary.labels_by("functional_type", "decision")
    rows = [(name, counts.get((name, "auto"), 0), counts.get((name, "review"), 0)) for name in FUNCTIONAL_TYPES]
    return sorted((row for row in rows if row[1] or row[2]), key=lambda row: -(row[1] + row[2]))


def _histogram(confidence: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    """Bins of the histogram, from the first that holds a label on, each with its heights in percent of the tallest."""
    totals = [auto + review for auto, review in zip(confidence["auto"], confidence["review"], strict=True)]
    tallest = max(totals, default=0) or 1
    first = min((place for place, total in enumerate(totals) if total), default=0)
    first = min(first, CONFIDENCE_BINS // 2)
    return [
        {
            "least": place / CONFIDENCE_BINS,
            "most": (place + 1) / CONFIDENCE_BINS,
            "auto": confidence["auto"][place],
            "review": confidence["review"][place],
            "auto_height": _height(confidence["auto"][place], tallest),
            "review_height": _height(confidence["review"][place], tallest),
        }
        for place in range(first, CONFIDENCE_BINS)
    ]


def _height(number: int, tallest: int) -> float:
    """A bar's height in percent: what is there is to be seen, beside a bar however tall."""
    return max(_LEAST_HEIGHT, _MOST_HEIGHT * number / tallest) if number else 0.0


def _policies(manifest: Mapping[str, Any], figures: RunFigures) -> list[dict[str, Any]]:
    """Each policy of the run with what it makes of the labelled tracks."""
    return [
        {
            "policy": policy,
            "treatments": [
                treatment
                for treatment in figures.treatments
                if (treatment.policy_id, treatment.policy_version) == (policy["policy_id"], policy["version"])
            ],
        }
        for policy in manifest["policies"]
    ]


def _tables(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows, bytes and files per table."""
    found: dict[str, dict[str, Any]] = {}
    for file in manifest["files"]:
        table = found.setdefault(file["table"], {"name": file["table"], "files": 0, "rows": 0, "bytes": 0})
        table["files"] += 1
        table["rows"] += file["rows"]
        table["bytes"] += file["bytes"]
    return list(found.values())
