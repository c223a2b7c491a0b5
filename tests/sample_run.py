"""The main job on the sample shard, for every test that needs its real tables."""

import fcntl
import functools
import os
import pathlib
import tempfile

import yaml

SAMPLE = pathlib.Path(__file__).parents[1] / "sample"
CONFIG = SAMPLE.parent / "configs" / "sample.yaml"
RUN_DATE = "2026-01-31"
POLICIES = ("spotify", "deezer")


_FOLDER = tempfile.TemporaryDirectory(prefix="earmark-tests-")


@functools.cache
def _quiet_config() -> pathlib.Path:
    """The sample's config, less the sounds of a run's page, for which every run would start decoders once more."""
    settings = yaml.safe_load(CONFIG.read_text())
    settings["report"]["audio"] = False
    path = pathlib.Path(_FOLDER.name) / "sample.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def job(catalog, output, *flags, config: pathlib.Path | None = None) -> int:
    from pipelines.categorize_tracks import run  # imports Beam

    argv = ["--catalog", catalog, "--audio_root", SAMPLE, "--output", output, "--run_date", RUN_DATE]
    policies = [argument for policy in POLICIES for argument in ("--policy", policy)]
    return run([str(argument) for argument in (*argv, "--config", config or _quiet_config(), *policies, *flags)])


def labelled_once(base_folder: pathlib.Path) -> pathlib.Path:
    """The output folder of the sample shard, labelled by the first that asks, in whichever process of pytest-xdist."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        base_folder = base_folder.parent
    output = base_folder / "sample-shard" / "out"
    output.parent.mkdir(exist_ok=True)
    with (output.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(output.glob("runs/*/_SUCCESS")):
            assert job(SAMPLE / "catalog.jsonl", output, config=CONFIG) == 0
    return output
