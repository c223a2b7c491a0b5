"""What a user gets wrong about a run on Dataflow: one sentence and status 2, at once, without a network and a login."""

import pathlib

import pytest

from models.errors import UserError
from models.litert_form import Runtime
from pipelines.dataflow_flags import check_accelerators, dataflow_flags, is_dataflow
from pipelines.job_config import WorkersConfig
from tests.dataflow.template import CLOUD
from tests.gcs.emulated_store import BUCKET, Job

PLACES = {"--catalog": "gs://bucket/catalog.jsonl", "--audio_root": "gs://bucket/audio", "--output": "gs://bucket/out"}
T4 = "--dataflow_service_options=worker_accelerator=type:nvidia-tesla-t4;count:1;install-nvidia-driver"


def refusal(*flags: str, places: dict[str, str] = PLACES) -> str:
    with pytest.raises(UserError) as raised:
        dataflow_flags(flags, places)
    return str(raised.value)


def accelerator_refusal(*flags: str, runtime: Runtime = "litert", **workers: str) -> str:
    with pytest.raises(UserError) as raised:
        check_accelerators(flags, WorkersConfig(**workers), runtime)
    return str(raised.value)


def without(name: str) -> tuple[str, ...]:
    return tuple(flag for flag in CLOUD if not flag.startswith(f"--{name}"))


@pytest.mark.parametrize("name", ["project", "region", "temp_location"])
def test_a_flag_that_dataflow_needs_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)
    assert refusal(*without(name)).startswith(f"--{name}: is missing")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--temp_location=/tmp/here", "Invalid GCS path (/tmp/here), given for the option: temp_location"),
        ("--staging_location=gs://bucket", "'gs://bucket' given for option: staging_location"),
        ("--project=123456", "Invalid Project ID (123456)"),
        ("--job_name=Earmark", "Invalid job_name (Earmark)"),
        ("--num_workers=0", "Invalid value (0) for option: num_workers"),
        ("--streaming", "--streaming: this is a batch job"),
        ("--setup_file=/none/setup.py", "--setup_file /none/setup.py: is no setup.py"),
    ],
)
def test_a_flag_of_a_wrong_value(flag: str, words: str) -> None:
    assert words in refusal(*CLOUD, flag)


def test_more_workers_than_the_most() -> None:
    assert "num_workers (5) cannot exceed max_num_workers (2)" in refusal(
        *CLOUD, "--num_workers=5", "--max_num_workers=2"
    )


@pytest.mark.parametrize("flag", [T4, "--flexrs_goal=COST_OPTIMIZED"])
def test_flags_that_dataflow_does_not_take_with_resource_hints(flag: str) -> None:
    line = accelerator_refusal(*CLOUD, flag, runtime="saved_model", min_ram="8GB")
    assert "does not go together with the resource hint min_ram=8GB" in line


@pytest.mark.parametrize("name", [*PLACES, "model.folder"])
def test_a_place_that_no_worker_can_reach(name: str) -> None:
    assert refusal(*CLOUD, places=PLACES | {name: "/data/here"}).startswith(f"{name} /data/here: lies on this machine")


def test_code_that_workers_would_not_have(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """As from an installed package, beside which there is no setup.py."""
    monkeypatch.setattr("pipelines.dataflow_flags._CHECKOUT_SETUP", tmp_path / "setup.py")
    assert "Dataflow's workers would not have Earmark's code" in refusal(*CLOUD)
    assert dataflow_flags([*CLOUD, "--sdk_container_image=image"], PLACES) == [
        "--experiments=no_use_multiple_sdk_containers"
    ]


def test_a_setup_file_named_from_where_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beam changes into the folder that the path names, and ``setup.py`` names none."""
    root = pathlib.Path(__file__).parents[2]
    monkeypatch.chdir(root)
    added = dataflow_flags([*CLOUD, "--setup_file=setup.py"], PLACES)
    assert f"--setup_file={root / 'setup.py'}" in added


@pytest.mark.parametrize("name", ["DataflowRunner", "dataflow", "apache_beam.runners.dataflow.DataflowRunner"])
def test_the_runner_is_known_by_every_name_that_beam_takes(name: str) -> None:
    assert is_dataflow(name)
    assert not is_dataflow(name.replace("ataflow", "irect"))


def refused(job: Job, *flags: str, **environment: str | None) -> str:
    process = job.start(*flags, **environment)
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    (line,) = errors.splitlines()
    return line


def test_without_credentials_the_command_ends_at_once(job: Job, flags: tuple[str, ...]) -> None:
    """Also with an emulator, which asks for none: the service would."""
    nothing = dict.fromkeys(["GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"])
    asked = len(job.store.requests)
    line = refused(job, *flags, *without("no_auth"), **nothing)
    assert "--project 'my-project' needs Google Cloud credentials and none are set up" in line
    assert job.store.requests[asked:] == []  # neither the store nor a metadata server


@pytest.mark.parametrize("flag", ["temp_location", "staging_location", "template_location"])
def test_a_bucket_that_does_not_exist(job: Job, flags: tuple[str, ...], flag: str) -> None:
    line = refused(job, *flags, *CLOUD, f"--{flag}=gs://no-such-bucket/folder")
    assert f"--{flag} gs://no-such-bucket/folder: cannot be listed" in line


def test_a_config_that_is_not_in_its_bucket(job: Job, flags: tuple[str, ...]) -> None:
    line = refused(job, *flags, *CLOUD, f"--config=gs://{BUCKET}/none.yaml")
    assert f"--config gs://{BUCKET}/none.yaml: cannot be read" in line
