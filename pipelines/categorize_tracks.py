"""The main job: label every track of a catalog and publish the tables.

python -m pipelines.categorize_tracks --catalog sample/catalog.jsonl --output out
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from models.taxonomy import TAXONOMY_VERSION
from pipelines.categorize_options import CategorizeOptions, parse
from pipelines.command_line import EXIT_PUBLISHED, EXIT_REFUSED, exit_status
from pipelines.interrupts import stop_on_signals
from pipelines.job_end import wait_until_done
from transforms.audio_sources import AudioRoot
from transforms.catalog_duplicates import CollapseDuplicates
from transforms.catalog_reading import ReadCatalog
from transforms.console_report import print_report
from transforms.dead_letters import dead_letter_row
from transforms.gates import read_gates, refusal_message, refusals
from transforms.label_tracks import LabelSettings, LabelTracks, Lineage
from transforms.progress import CountProgress, ProgressDisplay
from transforms.publish_manifest import build_manifest
from transforms.publishing import Publication, published_summary
from transforms.reconcile import Reconcile, read_run_summary
from transforms.records import DeadLetter, RowTally
from transforms.royalty_treatments import RoyaltyTreatments
from transforms.write_tables import WriteTable, shard_count


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
    catalog = pipeline | "ReadCatalog" >> ReadCatalog(options.catalog)
    read = counted("rows_read", catalog.read)
    distinct = catalog.rows | "CollapseDuplicates" >> CollapseDuplicates()
    labels = counted("rows_valid", distinct.rows) | "LabelTracks" >> LabelTracks(
        LabelSettings(
            audio_root=AudioRoot(
                root=options.audio_root,
                allow_outside_root=options.config.audio.allow_outside_root,
                max_file_bytes=options.config.decode.max_file_bytes,
            ),
            decode=options.config.decode,
            plan=options.decode_plan,
            model_folder=options.model_folder,
            calibration=options.model.calibration,
            decision=options.config.decision,
            lineage=lineage,
            batch_windows=options.config.model.batch_windows,
            model_threads=options.config.model.threads,
            runtime=options.runtime,
            resource_hints=options.config.workers.resource_hints(),
        ),
        counted,
    )
    dead_letters = (
        counted("dead_letters", catalog.dead_letters),
        counted("dead_letters", distinct.dead_letters),
        labels["dead_letters"],
    ) | "AllDeadLetters" >> beam.Flatten()
    tables = {
        **{table: labels[table] for table in ("track_labels", "track_segments", "track_embeddings")},
        "royalty_treatments": labels["track_labels"]
        | "TreatRoyalties" >> RoyaltyTreatments(options.policies, lineage.columns()),
        "dead_letters": dead_letters | "DeadLetterRows" >> beam.Map(dead_letter_row, lineage.columns()),
    }
    files_per_table = (
        read
        | "CountRows" >> beam.combiners.Count.Globally()
        | "FilesPerTable" >> beam.Map(shard_count, options.config.tables.rows_per_file)
    )
    files = [
        rows | f"Write {table}" >> WriteTable(table, staging_dir, beam.pvalue.AsSingleton(files_per_table))
        for table, rows in tables.items()
    ] | "StagedFiles" >> beam.Flatten()
    tallies = {"read": read, "labelled": labels["labelled"], "dead": dead_letters | "DeadTally" >> beam.Map(_tally)}
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
    """
    options = parse(argv)
    date = options.run_date.isoformat()
    with (
        tempfile.TemporaryDirectory(prefix="earmark-progress-") as progress_dir,
        stop_on_signals(progress_dir),
        Publication(options.output, date, options.run_id) as publication,
    ):
        if options.staged is not None:
            staging_dir = publication.adopt(options.staged)
        else:
            staging_dir = publication.prepare()
            pipeline = beam.Pipeline(options=PipelineOptions(list(options.beam_flags)))
            build(pipeline, options, staging_dir, progress_dir if options.local else None)
            with ProgressDisplay(progress_dir) if options.local else contextlib.nullcontext():
                done = wait_until_done(pipeline.run(), staging_dir)
            if not done:
                return EXIT_PUBLISHED
        summary = read_run_summary(staging_dir)
        gates = read_gates(summary, published_summary(options.output, date), options.config.gates)
        if refused := refusals(gates):
            print(refusal_message(refused, staging_dir), file=sys.stderr)
            if summary.error_types.get("missing_audio", 0) > summary.dead_rows / 2:
                print(
                    f"  An audio_uri is looked up under {options.audio_root} (--audio_root): is that right?",
                    file=sys.stderr,
                )
            return EXIT_REFUSED
        manifest = build_manifest(
            summary,
            gates,
            model={"model_version": options.model.model_version},
            config=options.config.model_dump(mode="json"),
            catalog={"digest": options.catalog_digest},
            policies=[policy.model_dump(mode="json") for policy in options.policies],
        )
        publication.publish(summary.files, manifest)
    if "://" not in options.output:
        print_report(options.output, date, options.run_id, [gate.message for gate in gates[:1]])
    else:
        print(f"Published run {options.run_id} to {options.output}; its manifest is in runs/{options.run_id}/.")
    return EXIT_PUBLISHED


def _tally(dead_letter: DeadLetter) -> RowTally:
    return dead_letter.tally


def main() -> None:
    """Console script ``earmark-categorize-tracks``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
