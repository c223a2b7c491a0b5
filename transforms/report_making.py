"""Makes a run's page from its tables: for the main job before it publishes, and again later for whoever asks."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from transforms.audio_sources import AudioRoot
from transforms.decoder_pool import DecodeSettings
from transforms.report_excerpts import Excerpt, ExcerptSettings, excerpt_start_s, make_excerpts
from transforms.report_figures import ReviewItem, count_figures
from transforms.report_settings import ReportSettings
from transforms.run_notes import catalog_notes
from transforms.run_report import REPORT, RunReport, report_html
from transforms.run_summary import RunSummary, to_text
from transforms.run_tables import RunTables
from transforms.run_timings import TIMINGS, RunClock, RunTimings
from transforms.table_schemas import TABLES

_LOG = logging.getLogger(__name__)

_EXCERPTS_OFF: Final = "This run makes no excerpts to listen to: report.audio is off in its config."
_NO_PAGE: Final = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><title>Earmark: no page</title></head>'
    "<body><p>The page of this run could not be made; its tables are not affected. Make it with "
    "<code>python -m pipelines.write_run_report</code>.</p></body></html>\n"
)


@dataclasses.dataclass(frozen=True, slots=True)
class ReportSources:
    """What a page is made from, besides the manifest and the timings.

    Attributes
    ----------
    files
        The Parquet files of each table, in staging or published, local or ``gs://…``.
    previous
        See :class:`transforms.run_report.RunReport`.
    audio_root
        Null when the audio is not at hand.
    decode
        Limits of decoding.
    stream_files
        From :func:`transforms.streams_parquet.find_stream_files`.
    """

    files: Mapping[str, Sequence[str]]
    previous: RunSummary | None
    audio_root: AudioRoot | None
    decode: DecodeSettings
    settings: ReportSettings
    stream_files: Sequence[str] = ()


def staged_files(staging_dir: str, summary: RunSummary) -> dict[str, list[str]]:
    """List the files of each table in a run's staging folder."""
    folder = staging_dir.rstrip("/")
    return {table: [f"{folder}/{file.path}" for file in summary.files if file.table == table] for table in TABLES}


def run_papers(sources: ReportSources, manifest: Mapping[str, Any], clock: RunClock, local: bool) -> dict[str, bytes]:
    """Make the papers that a run has beside its manifest; nothing that goes wrong with its page fails it.

    Parameters
    ----------
    clock
        Of the run; this takes its last lap.
    local
        Whether all workers were on this machine.

    Returns
    -------
    dict
        By file name: ``timings.json``, and ``report.html`` unless the config has no use for it. One that could not be
        made says so, since a page of an earlier attempt may stand in its place.
    """
    if not sources.settings.enabled:
        return {TIMINGS: _timings_text(clock.timings(local))}
    try:
        made = _Making(sources)
        clock.lap("count and draw this page")
        timings = clock.timings(local)
        page = made.page(manifest, timings)
    except Exception as error:
        # The tables are sound and counted: a page is no reason to lose them.
        _LOG.info("The page could not be made.", exc_info=True)
        _LOG.warning(
            "The run's page could not be made (%s: %s); make it again with python -m pipelines.write_run_report.",
            type(error).__name__, " ".join(str(error).split())[:300],
        )  # fmt: skip
        timings, page = clock.timings(local), _NO_PAGE
    return {REPORT: page.encode("utf-8"), TIMINGS: _timings_text(timings)}


def make_page(sources: ReportSources, manifest: Mapping[str, Any], timings: RunTimings | None) -> str:
    """Make the page of a published run.

    Raises
    ------
    UserError
        A file of streams holds bad values.
    FiguresError, OSError, pyarrow.ArrowException
        A table cannot be read.
    """
    return _Making(sources).page(manifest, timings)


def _timings_text(timings: RunTimings) -> bytes:
    return to_text(timings.to_json()).encode("utf-8")


class _Making:
    """A page whose figures are counted and whose excerpts are there."""

    def __init__(self, sources: ReportSources) -> None:
        self._sources = sources
        self._tables = RunTables(sources.files)
        self._figures = count_figures(self._tables, sources.settings.review_tracks, sources.stream_files)
        self._excerpts, self._no_excerpts = _excerpts(self._figures.queue, sources)

    def page(self, manifest: Mapping[str, Any], timings: RunTimings | None) -> str:
        return report_html(
            RunReport(
                manifest=manifest,
                previous=self._sources.previous,
                figures=self._figures,
                excerpts=self._excerpts,
                no_excerpts=self._no_excerpts,
                timings=timings,
                settings=self._sources.settings,
                notes=catalog_notes(RunSummary.from_json(manifest["summary"]), manifest["config"], self._tables),
            )
        )


def _excerpts(queue: Sequence[ReviewItem], sources: ReportSources) -> tuple[list[Excerpt], str | None]:
    """Excerpts of the queue, or a sentence about why there are none."""
    settings = sources.settings
    if not settings.audio:
        return [], _EXCERPTS_OFF
    if sources.audio_root is None:
        return [], "The audio was not at hand: --audio_root of write_run_report says where it is."
    if not queue:
        return [], None
    try:
        starts_s = [excerpt_start_s(item.label, item.segments, settings.excerpt_s) for item in queue]
        wanted = ExcerptSettings(sources.audio_root, sources.decode, settings.excerpt_s, settings.audio_timeout_s)
        return make_excerpts([item.label for item in queue], starts_s, wanted), None
    except Exception as error:  # a machine that cannot start a decoder still has figures to show
        _LOG.warning("No excerpts for the run's page: %s: %s", type(error).__name__, error)
        return [], f"No excerpt could be made: {type(error).__name__}: {error}"
