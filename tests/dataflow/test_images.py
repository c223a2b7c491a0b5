"""The images, which cannot be built here: every line of them that can be checked without a registry is."""

import json
import pathlib
import re
import shlex

import pytest
import setuptools
from dockerfile_parse import DockerfileParser

from tests.dataflow.template import CLOUD
from tests.dataflow.worker import WorkerPython
from tests.gcs.emulated_store import BUCKET, ROOT, EmulatedStore, Job

WORKER, FLEX = ROOT / "docker" / "Dockerfile", ROOT / "docker" / "flex_template.Dockerfile"
BOTH = pytest.mark.parametrize("dockerfile", [WORKER, FLEX], ids=lambda path: path.name)


def lines(dockerfile: pathlib.Path) -> list[tuple[str, str]]:
    parser = DockerfileParser(fileobj=dockerfile.open("rb"))
    return [(line["instruction"], line["value"]) for line in parser.structure if line["instruction"] != "COMMENT"]


def values(dockerfile: pathlib.Path, instruction: str) -> list[str]:
    return [value for name, value in lines(dockerfile) if name == instruction]


def copied(dockerfile: pathlib.Path) -> list[str]:
    """What is copied from the checkout."""
    return [
        source for value in values(dockerfile, "COPY") if not value.startswith("--from=")
        for source in value.split()[:-1]
    ]  # fmt: skip


@BOTH
def test_they_begin_with_an_image_and_end_with_an_entry_point(dockerfile: pathlib.Path) -> None:
    names = [name for name, _ in lines(dockerfile)]
    assert set(names) <= {"ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "ENTRYPOINT"}
    assert names[: names.index("FROM") + 1] in (["ARG", "FROM"], ["FROM"])
    assert names.count("ENTRYPOINT") == 1
    assert names[-1] == "ENTRYPOINT"
    (entry,) = values(dockerfile, "ENTRYPOINT")
    assert len(json.loads(entry)) == 1  # without a shell: signals reach the program


@BOTH
def test_arguments_are_declared_before_they_are_used(dockerfile: pathlib.Path) -> None:
    instructions = lines(dockerfile)
    first = [name for name, _ in instructions].index("FROM")
    of_all = {value.partition("=")[0] for name, value in instructions[:first]}
    of_stage: set[str] = set()
    for name, value in instructions[first:]:
        of_stage = set() if name == "FROM" else of_stage  # a stage sees none of the arguments before it
        used = set(re.findall(r"\$\{(\w+)\}", value))
        assert used <= (of_all if name == "FROM" else of_stage), (name, value)
        if name == "ARG":
            of_stage.add(value.partition("=")[0])


@BOTH
def test_what_is_copied_is_in_the_checkout_and_not_ignored(dockerfile: pathlib.Path) -> None:
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = copied(dockerfile)
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in admitted


def test_the_workers_image_has_beam_in_the_version_that_was_tested() -> None:
    (beam,) = re.findall(r"^apache-beam==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    (image,) = values(WORKER, "FROM")
    assert image == f"apache/beam_python${{PYTHON_VERSION}}_sdk:{beam}"
    assert "PYTHON_VERSION=3.11" in values(WORKER, "ARG")  # what constraints.txt is for


def test_every_file_that_the_package_is_made_of_is_copied() -> None:
    packages = {
        name.split(".")[0] for name in setuptools.find_packages(ROOT, include=["models", "transforms", "pipelines"])
    }
    assert {*packages, "sql", "configs", "setup.py", "pyproject.toml", "constraints.txt"} <= set(copied(WORKER))


def test_pip_is_given_the_package_with_the_extra_for_google_and_the_constraints() -> None:
    """Whether that line resolves is tried in test_staged_package.py."""
    (run,) = values(WORKER, "RUN")
    words = shlex.split(run.split("&&")[0])
    assert words[:2] == ["pip", "install"]
    assert words[words.index("-c") + 1] == "constraints.txt"
    assert words[-1] == ".[${EXTRAS}]"
    assert "EXTRAS=gcp" in values(WORKER, "ARG")


def test_the_flex_template_starts_the_main_job_with_workers_of_its_own_image(
    worker: WorkerPython, staged_package: pathlib.Path, store: EmulatedStore, job: Job, flags: tuple[str, ...]
) -> None:
    """As Google's launcher does: the file that the image names, a parameter as ``--name=value``, and where to write."""
    (environment,) = values(FLEX, "ENV")
    named = dict(word.split("=", 1) for word in shlex.split(environment))
    (main,) = (value.split() for value in values(FLEX, "COPY") if not value.startswith("--from="))
    assert main[1] == named["FLEX_TEMPLATE_PYTHON_PY_FILE"]
    assert named["EARMARK_WORKER_IMAGE"] == "${WORKER_IMAGE}"

    worker.install(staged_package)
    store.write("config/config.yaml", pathlib.Path(flags[flags.index("--config") + 1]).read_bytes())
    parameters = {
        "catalog": f"gs://{BUCKET}/in/catalog.jsonl", "audio_root": f"gs://{BUCKET}/in", "run_date": "2026-01-31",
        "output": f"gs://{BUCKET}/flex-out", "config": f"gs://{BUCKET}/config/config.yaml", "policy": "deezer,spotify",
    }  # fmt: skip
    assert parameters.keys() <= {
        parameter["name"]
        for parameter in json.loads((ROOT / "docker" / "flex_template.json").read_text())["parameters"]
    }
    arguments = [f"--{name}={value}" for name, value in parameters.items()]
    ended = worker.run(
        str(ROOT / main[0]), *arguments, *CLOUD, f"--template_location=gs://{BUCKET}/launches/1/job_object",
        EARMARK_WORKER_IMAGE="registry/worker:1",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (pool,) = json.loads(store.read("launches/1/job_object"))["environment"]["workerPools"]
    assert pool["workerHarnessContainerImage"] == "registry/worker:1"
    assert "workflow.tar.gz" not in {package["name"] for package in pool["packages"]}
