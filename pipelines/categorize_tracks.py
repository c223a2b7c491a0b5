"""The main job: label every track of a catalog and publish the tables.

python -m pipelines.categorize_tracks --catalog sample/catalog.jsonl --output out
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Any

import apache_beam as beam

from models.taxonomy import TAXONOMY_VERSION
from pipelines.beam_options import RememberedViews
from pipelines.categorize_options import CategorizeOptions, parse
from pipelines.command_line import EXIT_PUBLISHED, EXIT_REFUSED, exit_status
from pipelines.interrupts import stop_on_signals, temporary_folder
from pipelines.job_end import wait_until_done
from pipelines.local_workers import use_own_workers
from pipelines.portable_job import own_engine, start_job
from pipelines.run_failures import explained
from pipelines.run_said import say_published, say_refused
from transforms.allocator import release_freed_memory
from transforms.audio_sources import AudioRoot
from transforms.carry_labels import CarrySettings
from transforms.change_gates import read_change_gates
from transforms.dead_letters import dead_letter_row
from transforms.gates import read_gates, refusals, shares_unchecked
from transforms.incremental_run import LabelIncrementally
from transforms.label_tracks import LabelSettings, LabelTracks, Lineage
from transforms.previous_run import noted_audio_root
from transforms.printable import printable
from transforms.progress import CountProgress, ProgressDisplay
from transforms.publish_manifest import build_manifest
from transforms.published_summary import published_summary
from transforms.publishing import Publication
from transforms.reconcile import Reconcile, read_run_summary
from transforms.records import DeadLetter, RowTally
from transforms.report_making import ReportSources, run_papers, staged_files
from transforms.run_notes import catalog_notes, dead_letter_notes
from transforms.run_report import REPORT
from transforms.run_summary import RunSummary
from transforms.run_tables import RunTables
from transforms.run_timings import RunClock
from transforms.stage_buffers import small_buffers
from transforms.whole_run import LabelCatalog
from transforms.worker_life import announce_main_process
from transforms.write_tables import WriteTable


def build(
    pipeline: beam.Pipeline, options: CategorizeOptions, staging_dir: str, progress_dir: str | None = None
) -> None:
    """Compose the job: catalog to staged tables and their summary.

    Parameters
    ----------
    staging_dir
        Where the tables are written before they are published.
    progress_dir
        A local folder to count progress in; None on a cluster.
    """

    def counted(what: str, elements: beam.PCollection) -> beam.PCollection:
        if progress_dir is None:
            return elements
        label = f"Count {what} of {elements.producer.full_label}"
        return elements | label >> beam.ParDo(CountProgress(progress_dir, what))

    lineage = Lineage(options.run_id, options.run_date, options.model.model_version, TAXONOMY_VERSION)
    config = options.config
    audio_root = _audio_root(options)
    label_tracks = LabelTracks(
        LabelSettings(
            audio_root=audio_root,
            decode=options.decode,
            plan=options.decode_plan,
            model_folder=options.model_folder,
            calibration=options.model.calibration,
            decision=config.decision,
            lineage=lineage,
            batch_windows=config.model.batch_windows,
            model_threads=config.model.threads,
            runtime=options.runtime,
            resource_hints=options.config.workers.resource_hints(),
        ),
        counted,
    )
    columns, rows_per_file = lineage.columns(), config.tables.rows_per_file
    catalog = (options.catalog, options.catalog_states, config.catalog)
    label: beam.PTransform
    if options.previous is None:
        label = LabelCatalog(*catalog, label_tracks, options.policies, columns, rows_per_file, counted)
    else:
        carry = CarrySettings(options.previous, audio_root, config.decision, options.unchanged_by, columns, staging_dir)
        label = LabelIncrementally(*catalog, carry, label_tracks, options.policies, rows_per_file, counted)
    rows = pipeline | "Label" >> label
    tables = {**rows.tables, "dead_letters": rows.dead_letters | beam.Map(dead_letter_row, columns)}
    files = [
        rows_of | f"Write {table}" >> WriteTable(table, staging_dir, beam.pvalue.AsSingleton(rows.files_per_table))
        for table, rows_of in tables.items()
    ] | "StagedFiles" >> beam.Flatten()
    if (target := options.labels_target) is not None:
        from transforms.write_bigquery import WriteUnpublishedLabels  # imports Google's libraries

        write = WriteUnpublishedLabels(target.dataset, options.run_id, target.temp_location)
        _ = tables["track_labels"] | "LabelsToBigQuery" >> write
    tallies = {
        "read": rows.read,
        "labelled": rows.labelled,
        "dead": rows.dead_letters | "DeadTally" >> beam.Map(_tally),
    }
    _ = {**tallies, **tables, "files": files} | "Reconcile" >> Reconcile(
        options.run_id, options.run_date.isoformat(), staging_dir, [policy.name for policy in options.policies]
    )


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, label, reconcile, and publish when every gate agrees.

    Returns
    -------
    int
        0 when published, 3 when a gate refused. Also 0 when only a template was written, which runs nothing yet.

    Raises
    ------
    UserError
        For a bad argument or config, before any work.
    RunFailedError
        A disk ran full, the catalog changed, or a worker process was lost.
    """
    clock = RunClock()
    options = parse(argv)
    date = options.run_date.isoformat()
    for sentence in (*options.unused_columns.split("\n"), options.carrying):
        if sentence:
            print(printable(sentence), file=sys.stderr)
    with (
        explained(options.catalog, options.output),
        temporary_folder() as progress_dir,
        stop_on_signals(progress_dir, kill_children=True),
        Publication(options.output, date, options.run_id) as publication,
    ):
        announce_main_process()
        if options.staged is not None:
            staging_dir = publication.adopt(options.staged)
            clock.lap("check and prepare")
        else:
            staging_dir = publication.prepare()
            if not _label(options, staging_dir, progress_dir, clock):
                return EXIT_PUBLISHED
            release_freed_memory()  # what the pipeline and its result held went with them
        summary = read_run_summary(staging_dir)
        least_labels = options.config.gates.min_rows_for_shares
        before = published_summary(options.output, date, least_labels=least_labels)
        gates = read_gates(summary, before, options.config.gates)
        changes = read_change_gates(options.output, date, staging_dir, options.config.gates)
        gates += changes.readings
        manifest = build_manifest(
            summary,
            gates,
            model={"model_version": options.model.model_version},
            config=options.config.model_dump(mode="json"),
            catalog={"digest": options.catalog_digest},
            audio_root=noted_audio_root(options.audio_root),
            labelling=options.labelling,
            previous=_carried_from(options, summary),
            policies=[policy.model_dump(mode="json") for policy in options.policies],
        )
        sources = _report_sources(options, staging_dir, summary, before)
        papers = run_papers(sources, manifest, clock, options.local)
        told = catalog_notes(summary, manifest["config"], RunTables(sources.files))
        if refused := refusals(gates):
            left = publication.leave(manifest, papers)
            if {"min_labels", "max_dead_letter_share"} & {refusal.gate for refusal in refused}:
                told += dead_letter_notes(summary, RunTables(sources.files), options.audio_root)
            page = f"{staging_dir}/{REPORT}" if left and REPORT in papers else None
            say_refused(refused, staging_dir, changes.how_to_see, told, page)
            return EXIT_REFUSED
        publication.publish(summary.files, manifest, papers)
    passed = [note for note in (gates[0].message, shares_unchecked(gates, options.config.gates)) if note]
    say_published(options.output, date, options.run_id, passed, told)
    return EXIT_PUBLISHED


def _label(options: CategorizeOptions, staging_dir: str, progress_dir: str, clock: RunClock) -> bool:
    """Run the pipeline to its end; false when only a template of it was written."""
    pipeline = beam.Pipeline(options=RememberedViews(list(options.beam_flags)))
    build(pipeline, options, staging_dir, progress_dir if options.local else None)
    use_own_workers(pipeline)
    clock.lap("check and prepare")
    with own_engine(pipeline), small_buffers():
        with ProgressDisplay(progress_dir) if options.local else contextlib.nullcontext():
            result = start_job(pipeline)
            done = wait_until_done(result, staging_dir)
        if done:
            clock.take_metrics(result)
            clock.lap("read, decode, label and write tables")
        return done


def _carried_from(options: CategorizeOptions, summary: RunSummary) -> dict[str, Any] | None:
    if options.previous is None:
        return None
    sources = summary.labels_by("label_source")
    counts = {"tracks_carried": sources.get("carried", 0), "tracks_labelled": sources.get("audio", 0)}
    return {"run_id": options.previous.run_id, "run_date": options.previous.run_date, **counts}


def _report_sources(
    options: CategorizeOptions, staging_dir: str, summary: RunSummary, previous: RunSummary | None
) -> ReportSources:
    return ReportSources(
        files=staged_files(staging_dir, summary),
        previous=previous,
        audio_root=_audio_root(options),
        decode=options.config.decode,
        settings=options.config.report,
    )


def _audio_root(options: CategorizeOptions) -> AudioRoot:
    return AudioRoot(
        root=options.audio_root,
        allow_outside_root=options.config.audio.allow_outside_root,
        max_file_bytes=options.config.decode.max_file_bytes,
    )


def _tally(dead_letter: DeadLetter) -> RowTally:
    return dead_letter.tally


def main() -> None:
    """Console script ``earmark-categorize-tracks``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
