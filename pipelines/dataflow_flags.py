"""Flags of a run on Google Dataflow that only make sense together: checked before any work, filled in where safe.

Nothing here asks the network, and no Google library is imported before it is known to be installed.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.errors import UserError
from models.litert_form import Runtime
from pipelines.job_config import WorkersConfig
from transforms.catalog_bigquery import require_google_credentials

_ONE_PROCESS: Final = "no_use_multiple_sdk_containers"
_MANY_PROCESSES: Final = "use_multiple_sdk_containers"
#: Flags that Beam reads for Dataflow alone; project, region and temp_location are BigQuery's too.
_ONLY_DATAFLOW: Final = (
    "template_location", "staging_location", "update", "create_from_snapshot", "flexrs_goal",
    "dataflow_service_options", "service_account_email",
)  # fmt: skip
#: ``setup.py`` of the checkout that this code runs from; an installed package has none beside it.
_CHECKOUT_SETUP: Final = pathlib.Path(__file__).parents[1] / "setup.py"


def is_dataflow(runner: str | None) -> bool:
    """Whether ``--runner`` names the Dataflow service, in any of the ways that Beam takes."""
    return (runner or "").rpartition(".")[-1].lower() in ("dataflow", "dataflowrunner")


def dataflow_flags(beam_flags: Sequence[str], places: Mapping[str, str | None]) -> list[str]:
    """Check Beam's flags for a run on Dataflow and give those to put behind them.

    Parameters
    ----------
    beam_flags
        Beam's flags, ``--runner`` among them.
    places
        By flag or config key, every path that workers read or write; None where none was given.

    Returns
    -------
    list of str
        ``--setup_file`` of this checkout when nothing else gives workers the code, and one process per worker machine
        unless the flags say otherwise: its decoder processes keep all cores busy, and a process per core would have as
        many of them each.

    Raises
    ------
    UserError
        Names the flag and the mend.
    """
    _require_libraries()
    from apache_beam.options import pipeline_options as beam_options

    options = beam_options.PipelineOptions(list(beam_flags))
    cloud = options.view_as(beam_options.GoogleCloudOptions)
    worker = options.view_as(beam_options.WorkerOptions)
    experiments = options.view_as(beam_options.DebugOptions).experiments or []
    if options.view_as(beam_options.StandardOptions).streaming:
        raise UserError("--streaming: this is a batch job; leave the flag out.")
    _check_cloud(options, cloud, worker)
    for flag, place in places.items():
        if place is not None and "://" not in place and not place.startswith("bigquery:"):
            raise UserError(
                f"{flag} {place}: lies on this machine, which Dataflow's workers cannot reach; put it on Cloud Storage "
                "and give its gs:// path."
            )
    added = _code_for_workers(options.view_as(beam_options.SetupOptions), worker.sdk_container_image)
    if not cloud.no_auth:
        require_google_credentials(cloud.project, "--project")
    if _ONE_PROCESS not in experiments and _MANY_PROCESSES not in experiments:
        added.append(f"--experiments={_ONE_PROCESS}")
    return added


def refuse_flags_of_dataflow(beam_flags: Sequence[str]) -> None:
    """Refuse, for another runner, flags that it would ignore: a catalog must not be labelled where nobody meant to.

    Raises
    ------
    UserError
        Names the flag and the mend.
    """
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

    cloud = PipelineOptions(list(beam_flags)).view_as(GoogleCloudOptions)
    for name in _ONLY_DATAFLOW:
        if value := getattr(cloud, name):
            shown = "" if value is True else f" {','.join(value) if isinstance(value, list) else value}"
            raise UserError(
                f"--{name}{shown}: only Dataflow reads this; give --runner DataflowRunner with it, or leave it out."
            )


def dataflow_buckets(beam_flags: Sequence[str]) -> dict[str, str]:
    """By flag, the folders that the launcher writes: where a bucket is missing, Beam tries again for minutes."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

    cloud = PipelineOptions(list(beam_flags)).view_as(GoogleCloudOptions)
    folders = {name: getattr(cloud, name) for name in ("temp_location", "staging_location", "template_location")}
    return {f"--{name}": folder for name, folder in folders.items() if folder}


def check_accelerators(beam_flags: Sequence[str], workers: WorkersConfig, runtime: Runtime) -> None:
    """Refuse a GPU that nothing uses, and what Dataflow's right fitting does not go together with.

    Parameters
    ----------
    workers
        The config's section of that name.
    runtime
        The form of the model that will label.

    Raises
    ------
    UserError
        Names the flag and the mend.

    References
    ----------
    "Right fitting", Google Cloud's documentation of Dataflow: support and limitations.
    """
    from apache_beam.options import pipeline_options as beam_options

    options = beam_options.PipelineOptions(list(beam_flags))
    cloud = options.view_as(beam_options.GoogleCloudOptions)
    experiments = options.view_as(beam_options.DebugOptions).experiments or []
    hints = [
        *(options.view_as(beam_options.StandardOptions).resource_hints or []),
        *(f"{name}={value}" for name, value in workers.resource_hints().items()),
    ]
    services = [*(cloud.dataflow_service_options or []), *experiments]
    attached = [option for option in services if option.startswith("worker_accelerator=")]
    gpus = attached + [hint for hint in hints if hint.startswith("accelerator=")]
    if gpus and runtime != "saved_model":
        raise UserError(
            f"{gpus[0]}: pays for a GPU that the LiteRT form of the model does not use; set model.runtime to "
            "saved_model in the config, or leave the GPU out."
        )
    other = attached[0] if attached else f"--flexrs_goal {cloud.flexrs_goal}" if cloud.flexrs_goal else None
    if hints and other:
        raise UserError(
            f"{other}: does not go together with the resource hint {hints[0]} on Dataflow; give one of them."
        )


def _require_libraries() -> None:
    try:
        found = importlib.util.find_spec("google.cloud.dataflow") is not None
    except ModuleNotFoundError:  # a parent package is missing
        found = False
    if not found:
        raise UserError(
            "--runner DataflowRunner: needs the Google Cloud libraries; run pip install -e '.[gcp]' in Earmark's "
            "folder."
        )


def _check_cloud(options: Any, cloud: Any, worker: Any) -> None:
    """Project, region, buckets and sizes, by Beam's own patterns.

    Beam's full validation comes too late, ends in a traceback, and asks the network: it looks for a region with
    ``gcloud`` and makes a bucket when none is given.
    """
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

    examples = {"project": "my-project", "region": "europe-west1", "temp_location": "gs://BUCKET/tmp"}
    if os.environ.get("CLOUDSDK_COMPUTE_REGION"):  # Beam takes it
        del examples["region"]
    for name, example in examples.items():
        if not getattr(cloud, name):
            raise UserError(f"--{name}: is missing, and --runner DataflowRunner needs it; give --{name} {example}.")
    validator = PipelineOptionsValidator(options, DataflowRunner())
    problems = [problem for problem in validator.validate_cloud_options(cloud) if "endpoint" not in problem]
    for name in ("temp_location", "staging_location"):
        if getattr(cloud, name):
            problems += validator.validate_gcs_path(cloud, name)
    problems += validator.validate_num_workers(worker) + validator.validate_worker_region_zone(worker)
    if problems:
        raise UserError(f"{problems[0].rstrip('.')}; mend this flag for Dataflow, or leave it out.")


def _code_for_workers(setup: Any, image: str | None) -> list[str]:
    """See that workers will have this code, from an image or from a package that is staged."""
    if setup.setup_file is None:
        if image or setup.extra_packages:
            return []
        if not _CHECKOUT_SETUP.is_file():
            raise UserError(
                "--setup_file: is missing, and so is --sdk_container_image; Dataflow's workers would not have "
                "Earmark's code. Give the setup.py of a checkout, or the image that docker/Dockerfile builds."
            )
        return [f"--setup_file={_CHECKOUT_SETUP}"]
    path = pathlib.Path(setup.setup_file)
    if not path.is_file() or path.name not in ("setup.py", "pyproject.toml"):
        raise UserError(
            f"--setup_file {path}: is no setup.py; give the one of Earmark's folder, or leave the flag out."
        )
    return [f"--setup_file={path.absolute()}"]  # Beam changes into its folder, and fails where the path names none
