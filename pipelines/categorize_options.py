"""The main job's command line: everything that a user can get wrong is found here, before any work."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from models.errors import UserError
from models.litert_form import Runtime, choose_runtime, read_litert_file, served_metadata
from models.policy_files import policies_in_force, shipped_policies
from models.royalty_policy import RoyaltyPolicy
from models.saved_model import ModelMetadata
from models.window_records import DecodePlan
from pipelines.command_line import IN_PROCESS_RUNNER, ArgumentParser, check_beam_flags, flags_of, run_date
from pipelines.dataflow_flags import (
    check_accelerators,
    dataflow_buckets,
    dataflow_flags,
    is_dataflow,
    refuse_flags_of_dataflow,
)
from pipelines.job_config import JobConfig, decode_plan, load_config
from pipelines.job_model import find_model
from pipelines.job_places import absolute, check_output, find_audio_root
from pipelines.portable_flags import check_portable_flags
from pipelines.remote_paths import check_bucket, check_scheme
from pipelines.runners import choose_runner
from pipelines.unpublished_labels import LabelsTarget, add_labels_flag, labels_target
from transforms.audio_comparison import UnchangedBy
from transforms.catalog_bigquery import parse_bigquery
from transforms.catalog_checks import catalog_fingerprint, check_catalog
from transforms.catalog_files import file_states
from transforms.decoder_pool import DecodeSettings
from transforms.previous_run import PreviousRun, find_previous_run, noted_audio_root, why_not_carried

_DESCRIPTION = """\
Label every track of a catalog as music, functional content or speech, and publish the tables.

Flags that are not listed here go to Apache Beam (such as --runner, --project, --region, --temp_location).
Exit status: 0 published; 1 the run failed, for want of room, a worker or an engine, and nothing was published; 2 bad
arguments or config, before any work; 3 a gate refused to publish."""


@dataclasses.dataclass(frozen=True)
class CategorizeOptions:
    """A checked command line of the main job.

    Attributes
    ----------
    config
        The config file's settings, with ``--coverage`` put in.
    policies
        The version in force of each ``--policy`` on the run date, ordered by ``policy_id``.
    model_folder, model, runtime
        The model that will label, what its folder says of it, and which of its forms it is: the version in ``model``
        is that form's.
    labelling
        What a label depends on beside audio and catalog; a later run carries labels forward while it is the same.
    unused_columns
        A sentence about columns of the catalog that are not used and may be meant, and a line to paste where there is
        one; empty when there is nothing to say.
    previous, carrying
        The run to carry labels from; null when every row is labelled. And, with ``--previous``, a sentence that says
        what is carried, or why nothing is.
    run_id
        The run's date and a digest of everything that its rows depend on, so that the same run again has the same id.
    catalog_states
        What the catalog's files looked like before ``catalog_digest`` was made of them; null for BigQuery.
    beam_flags
        For Beam's ``PipelineOptions``, the runner among them.
    local
        Whether workers run on this machine.
    processes
        Worker processes of a local run.
    staged
        The staging folder of a job of this run that is done, to be published instead of labelling; None: label.
    labels_target
        Where label rows also go while the job runs; null for nowhere.
    """

    catalog: str
    audio_root: str
    output: str
    run_date: datetime.date
    config: JobConfig
    policies: tuple[RoyaltyPolicy, ...]
    model_folder: str
    model: ModelMetadata
    runtime: Runtime
    catalog_states: dict[str, str] | None
    catalog_digest: str
    labelling: dict[str, Any]
    unused_columns: str
    previous: PreviousRun | None
    carrying: str
    run_id: str
    beam_flags: tuple[str, ...]
    local: bool
    processes: int = 1
    staged: str | None = None
    labels_target: LabelsTarget | None = None

    @property
    def unchanged_by(self) -> UnchangedBy:
        """What says that audio is unchanged: the config's word, or bytes alone where the audio root is another."""
        moved = self.previous is not None and self.previous.audio_root != noted_audio_root(self.audio_root)
        return "sha256" if moved else self.config.incremental.unchanged_by

    @property
    def decode(self) -> DecodeSettings:
        """How each worker process decodes: on a machine that several of them share, with a part of its processors."""
        return self.config.decode if self.processes == 1 else self.config.decode.shared_by(self.processes)

    @property
    def decode_plan(self) -> DecodePlan:
        """Which windows are decoded."""
        return decode_plan(self.config, self.model)


def make_parser() -> ArgumentParser:
    """The parser of the main job."""
    parser = ArgumentParser("python -m pipelines.categorize_tracks", _DESCRIPTION)
    parser.add_argument(
        "--catalog", required=True, metavar="PATH",
        help="JSONL, CSV, TSV or Parquet file or glob, bigquery://project.dataset.table, or 'bigquery:SELECT ...'",
    )  # fmt: skip
    parser.add_argument(
        "--audio_root", metavar="DIR", help="what audio_uri is relative to (default: the catalog's folder)"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the tables, local or gs:// or s3://")
    parser.add_argument(
        "--run_date",
        type=run_date,
        metavar="YYYY-MM-DD",
        help="date of the run and its partition (default: today, UTC)",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file, also gs://; configs/sample.yaml lists every key")
    parser.add_argument("--coverage", choices=("sampled", "full"), help="windows spread over the track, or all of it")
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="NAME",
        help=f"royalty policy: one that ships ({', '.join(sorted(shipped_policies()))}), a YAML file, or a folder of "
        "its versions; repeatable, or parted by commas",
    )
    carry = parser.add_mutually_exclusive_group()
    carry.add_argument(
        "--previous",
        metavar="DIR",
        help="output folder of earlier runs, also the one of --output: tracks with unchanged audio keep the labels of "
        "the newest one before the run date",
    )
    carry.add_argument("--force", action="store_true", help="label every row anew, as without --previous")
    parser.add_argument(
        "--staged", metavar="DIR",
        help="label nothing: publish what a job on Dataflow, or a run that a gate refused, left in this staging "
        "folder, after all gates with this command's limits; other flags as in its command",
    )  # fmt: skip
    parser.add_argument("--processes", type=int, metavar="N", help="worker processes of a local run (default: 1)")
    add_labels_flag(parser)
    return parser


def parse(argv: Sequence[str] | None) -> CategorizeOptions:
    """Parse and check a command line.

    Raises
    ------
    UserError
        Names the flag or key, its value and the mend.
    """
    parser = make_parser()
    arguments, beam_flags = parser.parse_known_args(argv)
    check_beam_flags(beam_flags, flags_of(parser))
    if arguments.config is not None:
        check_scheme("--config", arguments.config)
    config = load_config(arguments.config)
    if arguments.coverage is not None:
        config = config.model_copy(update={"coverage": arguments.coverage})
    if config.audio.min_duration_s >= config.audio.max_duration_s:
        raise UserError(
            f"audio.min_duration_s {config.audio.min_duration_s:g} is not below audio.max_duration_s "
            f"{config.audio.max_duration_s:g}; no track could be labelled."
        )
    date = arguments.run_date or datetime.datetime.now(datetime.UTC).date()
    policies = policies_in_force(_each_policy(arguments.policy), date)
    runner, runner_flags = choose_runner(beam_flags, arguments.processes)
    local = runner == IN_PROCESS_RUNNER
    if is_dataflow(runner):
        places = {flag: getattr(arguments, flag) for flag in ("catalog", "audio_root", "output", "previous")}
        named = {**{f"--{flag}": place for flag, place in places.items()}, "model.folder": config.model.folder}
        runner_flags += dataflow_flags(beam_flags, named)
        for flag, folder in dataflow_buckets(beam_flags).items():
            check_scheme(flag, folder)
            check_bucket(flag, folder)
    else:
        refuse_flags_of_dataflow(beam_flags)
    target = labels_target(arguments.bigquery_labels, beam_flags)
    check_scheme("--catalog", arguments.catalog)
    unused_columns = check_catalog(arguments.catalog, config.catalog)
    audio_root = find_audio_root(arguments.catalog, arguments.audio_root)
    check_output(arguments.output)
    if arguments.staged == "":
        raise UserError("--staged '': is empty; give the staging folder that the job or a gate's refusal named.")
    model_folder, metadata = find_model(config)
    runtime = choose_runtime(config.model.runtime, metadata, local)
    if runtime == "litert" and "://" not in model_folder:
        read_litert_file(model_folder, metadata)
    model = served_metadata(metadata, runtime)
    if is_dataflow(runner):
        check_accelerators(beam_flags, config.workers, runtime)
    elif not local:
        check_portable_flags(beam_flags)
    place = str if local else absolute
    catalog = place(arguments.catalog)
    labelling = _labelling(model, config)
    previous, carrying = _previous(
        arguments.previous and place(arguments.previous), place(arguments.output), date, labelling, audio_root,
        config.incremental.least_share_of_largest,
    )  # fmt: skip
    catalog_states = None if parse_bigquery(arguments.catalog) else file_states(catalog)
    catalog_digest = catalog_fingerprint(arguments.catalog)
    return CategorizeOptions(
        catalog=catalog,
        audio_root=place(audio_root),
        output=place(arguments.output.rstrip("/") or "/"),
        run_date=date,
        config=config,
        policies=policies,
        model_folder=place(model_folder),
        model=model,
        runtime=runtime,
        catalog_states=catalog_states,
        catalog_digest=catalog_digest,
        labelling=labelling,
        unused_columns=unused_columns,
        previous=previous,
        carrying=carrying,
        run_id=_run_id(date, catalog_digest, model, config, policies, previous),
        beam_flags=(*beam_flags, *runner_flags),
        local=local,
        processes=arguments.processes or 1,
        staged=arguments.staged,
        labels_target=target,
    )


def _each_policy(values: Sequence[str]) -> list[str]:
    """Every value of ``--policy``, or its parts: a template can give a flag only once."""
    return [name for value in values for name in ([value] if pathlib.Path(value).exists() else value.split(","))]


def _run_id(
    date: datetime.date,
    catalog_digest: str,
    model: ModelMetadata,
    config: JobConfig,
    policies: Sequence[RoyaltyPolicy],
    previous: PreviousRun | None,
) -> str:
    inputs: dict[str, Any] = {
        "run_date": date.isoformat(),
        "catalog": catalog_digest,
        "model_version": model.model_version,
        "taxonomy_version": model.taxonomy_version,
        "earmark": importlib.metadata.version("earmark"),
        "settings": config.row_settings(),
        "policies": [policy.model_dump(mode="json") for policy in policies],
    }
    if catalog := config.catalog.of_run():
        inputs["catalog_settings"] = catalog
    if previous is not None:
        how = config.incremental.model_dump(mode="json", include={"unchanged_by"})
        inputs["previous"] = [previous.run_id, previous.manifest_sha256, how]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"{date.isoformat()}-{digest[:12]}"


def _labelling(model: ModelMetadata, config: JobConfig) -> dict[str, Any]:
    """What a label depends on beside audio and catalog."""
    record = json.dumps(model.record(), sort_keys=True)
    return {
        "model_version": model.model_version,
        "model_sha256": hashlib.sha256(record.encode()).hexdigest(),
        "taxonomy_version": model.taxonomy_version,
        "earmark": importlib.metadata.version("earmark"),
        "settings": config.row_settings(),
    }


def _previous(
    folder: str | None,
    output: str,
    date: datetime.date,
    labelling: dict[str, Any],
    audio_root: str,
    least_share: float,
) -> tuple[PreviousRun | None, str]:
    """The run to carry labels from, and a sentence that says what is carried."""
    if folder is None:
        return None, ""
    if not folder:
        raise UserError("--previous '': is empty; give the --output folder of earlier runs.")
    check_scheme("--previous", folder)
    if "://" in folder:
        check_bucket("--previous", folder)
    elif not pathlib.Path(folder).exists() and pathlib.Path(folder).absolute() != pathlib.Path(output).absolute():
        raise UserError(
            f"--previous {folder}: is not there; give the --output folder of earlier runs. An empty folder, or that of "
            "--output, will do for the first run."
        )
    previous = find_previous_run(folder, date, least_share)
    if previous is None:
        return None, f"--previous {folder} holds no published run for a date before {date}: every row is labelled anew."
    if previous.passed_over and why_not_carried(previous, labelling):
        previous = find_previous_run(folder, date) or previous  # a little is carried from a small run, nothing from it
    named = f"run {previous.run_id} of {previous.run_date}"
    if reason := why_not_carried(previous, labelling):
        return None, f"Nothing is carried forward from {named}, every row is labelled anew: {reason}."
    carrying = f"Labels of tracks with unchanged audio are carried forward from {named}."
    if previous.passed_over:
        small = ", ".join(f"{day} has {labels:,}" for day, labels in previous.passed_over.items())
        carrying += f" It has {previous.labels:,} labels; newer runs with far fewer are passed over: {small}."
    if previous.audio_root != (noted := noted_audio_root(audio_root)):
        before = "is not known" if previous.audio_root is None else f"was {previous.audio_root}"
        carrying += (
            f" Its --audio_root {before}, this one is {noted}: every file is read, and only its sha256 tells that it "
            "is unchanged."
        )
    return previous, carrying
