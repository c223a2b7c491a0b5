"""A job that is only written, as a template: its description, its graph, what it staged; nothing is published."""

import pathlib
import re

import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from tests.dataflow.template import Template, write_template
from tests.dataflow.worker import WorkerPython
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job, finish
from tests.gcs.published_output import published

Flags = tuple[str, ...]
IMAGE = "images.example/my-project/earmark/worker:1"
GPU = "type:nvidia-tesla-t4;count:1;install-nvidia-driver"


@pytest.fixture(scope="module")
def chosen(job: Job, store: EmulatedStore, flags: Flags) -> Template:
    """With the flags and the config of docs/dataflow.md, on GPUs by right fitting."""
    config = job.folder / "gpu.yaml"
    config.write_text(f"model: {{runtime: saved_model}}\nworkers: {{min_ram: 8GB, accelerator: '{GPU}'}}\n")
    return write_template(
        job, store, *flags, f"--config={config}", f"--sdk_container_image={IMAGE}", "--machine_type=n1-standard-4",
        "--disk_size_gb=50", "--max_num_workers=20", "--number_of_worker_harness_threads=8",
        "--autoscaling_algorithm=THROUGHPUT_BASED", "--experiments=use_multiple_sdk_containers",
    )  # fmt: skip


def test_nothing_is_published_and_the_command_says_so(plain: Template) -> None:
    assert "Nothing has run yet, and nothing was published" in plain.output
    assert "Published" not in plain.output
    assert plain.output_after == plain.output_before


def test_a_checkout_gives_workers_its_package(plain: Template) -> None:
    names = {package["name"] for package in plain.pool["packages"]}
    assert "workflow.tar.gz" in names
    assert re.search(r"beam_python3\.1[12]_sdk:2\.\d+", plain.pool["workerHarnessContainerImage"])
    (environment,) = plain.graph.components.environments.values()
    assert len(environment.dependencies) == len(names)


def test_one_process_serves_a_worker_unless_the_flags_say_otherwise(plain: Template, chosen: Template) -> None:
    assert "no_use_multiple_sdk_containers" in plain.job["environment"]["experiments"]
    assert "use_multiple_sdk_containers" not in plain.job["environment"]["experiments"]
    assert "use_multiple_sdk_containers" in chosen.job["environment"]["experiments"]
    assert "no_use_multiple_sdk_containers" not in chosen.job["environment"]["experiments"]


def test_it_is_a_batch_job_in_its_project(plain: Template) -> None:
    assert plain.job["type"] == "JOB_TYPE_BATCH"
    assert plain.options["project"] == "my-project"
    assert plain.options["region"] == "europe-west1"
    assert plain.options["temp_location"].startswith(f"gs://{BUCKET}/tmp/")
    assert "enable_streaming_engine" not in plain.job["environment"]["experiments"]


def test_worker_options_reach_the_service(chosen: Template) -> None:
    pool = chosen.pool
    assert pool["machineType"] == "n1-standard-4"
    assert pool["diskSizeGb"] == 50
    assert pool["numThreadsPerWorker"] == 8
    assert pool["autoscalingSettings"] == {"algorithm": "AUTOSCALING_ALGORITHM_BASIC", "maxNumWorkers": 20}
    assert {image["containerImage"] for image in pool["sdkHarnessContainerImages"]} == {IMAGE}
    assert "workflow.tar.gz" not in {package["name"] for package in pool["packages"]}


def test_steps_are_those_of_the_main_job(plain: Template) -> None:
    names = {
        part for transform in plain.graph.components.transforms.values() for part in transform.unique_name.split("/")
    }
    assert {"ReadCatalog", "CollapseDuplicates", "LabelTracks", "TreatRoyalties", "Reconcile"} <= names


def test_resource_hints_are_on_decoding_and_classifying_alone(plain: Template, chosen: Template) -> None:
    assert chosen.hints("LabelTracks/HearAudio/") == {"accelerator": GPU, "min_ram_bytes": "8000000000"}
    assert chosen.hints("Reconcile/") == chosen.hints("ReadCatalog/") == {}
    assert plain.hints("LabelTracks/HearAudio/") == {}


@pytest.mark.parametrize("name", ["plain", "chosen"])
def test_windows_of_audio_and_predictions_go_through_no_shuffle(name: str, request: pytest.FixtureRequest) -> None:
    """Each round decodes, classifies and judges in one fused stage, as Beam's own fusion has it."""
    template: Template = request.getfixturevalue(name)
    _, stages = FnApiRunner().create_stages(template.graph)
    for number in (1, 2, 3):
        ends = [f"DecodeRound{number}/ParDo", f"ClassifyRound{number}/BeamML_RunInference", f"JudgeRound{number}"]
        together = [
            stage for stage in stages
            if all(any(end in transform.unique_name for transform in stage.transforms) for end in ends)
        ]  # fmt: skip
        assert len(together) == 1, [transform.unique_name for stage in stages for transform in stage.transforms]


def test_what_the_job_staged_is_published_afterwards(
    plain: Template, staged_package: pathlib.Path, worker: WorkerPython, store: EmulatedStore, job: Job, flags: Flags
) -> None:
    staged = re.search(r"--staged (gs://\S+)", plain.output)[1]
    early = job.start(*flags, f"--staged={staged}")
    _, errors = early.communicate()
    assert early.returncode == 2
    assert "holds no run_summary.json, so its job is not done" in errors

    worker.install(staged_package)
    ended = worker.run_job(plain.options["pipelineUrl"])
    assert ended.returncode == 0, ended.stderr
    finish(job.start(*flags, f"--staged={staged}"))
    assert published(store).run_id in staged

    another = job.start(*flags, "--coverage=full", f"--staged={staged}")
    _, errors = another.communicate()
    assert another.returncode == 2
    assert "is no staging folder of the run" in errors
