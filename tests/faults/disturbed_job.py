"""The main job as a process that a test disturbs, and the reader that says what it left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import pyarrow.parquet as pq

from tests.faults.commanded_decoder import FAULTS
from tests.job_processes import wait_until_gone
from transforms.published_runs import open_checked, read_published_runs

ROOT = pathlib.Path(__file__).parents[2]
RUN_DATE = "2026-01-31"
#: Longest that a job may take on a busy machine; one that takes longer hangs.
HANGS_S = 120

#: By track id, a file of the sample shard.
TRACKS = {
    "crickets": "sleep/10-crickets.opus",
    "latin": "lomiri/02-latin.m4a",
    "room": "silence/01-room.wav",
    "phrases": "french/04-phrases.flac",
    "words": "words/02-zodziai.mp3",
    "pyramide": "words/03-pyramide.ogg",
    "cheer": "city/01-stadium-cheer.opus",
}
CONFIG = """\
decode: {child_module: tests.faults.commanded_decoder, processes: 1}
"""
#: With these a decoder that goes wrong is found out soon.
CONFIG_OF_LOW_LIMITS = """\
decode: {child_module: tests.faults.commanded_decoder, timeout_s: 3, cpu_limit_s: 1, memory_limit_mb: 128}
"""

#: The job as a program that waits, when flags and catalog are checked, before anything is read.
HELD_BEFORE_READING = """
import os, pathlib, time
from pipelines import categorize_tracks as job

home, start = pathlib.Path(os.environ["HOME"]), job.start_job

def held(pipeline):
    (home / "reached-the start").touch()
    while not (home / "go").exists():
        time.sleep(0.02)
    return start(pipeline)

job.start_job = held
job.main()
"""


@dataclasses.dataclass
class Job:
    """One output folder, with the catalog, the audio and the config of the runs that write to it.

    Attributes
    ----------
    folder
        Holds ``audio/``, ``catalog.jsonl``, ``config.yaml``, ``home/`` (the decoder's orders), ``tmp/`` (the job's
        temporary folder) and, by default, ``out/``.
    """

    folder: pathlib.Path
    output: pathlib.Path = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.output = self.folder / "out"
        (self.folder / "audio").mkdir(parents=True)
        (self.folder / "tmp").mkdir()
        (self.folder / "home").mkdir()
        for track_id, sample in TRACKS.items():
            shutil.copyfile(ROOT / "sample" / "audio" / sample, self.audio(track_id))
        self.write_catalog(TRACKS)
        self.config.write_text(CONFIG)
        self.decoder_faults({})

    @property
    def catalog(self) -> pathlib.Path:
        return self.folder / "catalog.jsonl"

    @property
    def config(self) -> pathlib.Path:
        return self.folder / "config.yaml"

    @property
    def home(self) -> pathlib.Path:
        return self.folder / "home"

    @property
    def temporary(self) -> pathlib.Path:
        return self.folder / "tmp"

    def audio(self, track_id: str) -> pathlib.Path:
        return self.folder / "audio" / f"{track_id}{pathlib.PurePath(TRACKS[track_id]).suffix}"

    def rows(self, track_ids: Mapping[str, str] | list[str]) -> str:
        rows = [{"track_id": name, "audio_uri": f"audio/{self.audio(name).name}"} for name in track_ids]
        return "".join(json.dumps(row) + "\n" for row in [*rows, {"track_id": "none", "audio_uri": "audio/none.mp3"}])

    def write_catalog(self, track_ids: Mapping[str, str] | list[str]) -> None:
        self.catalog.write_text(self.rows(track_ids))

    def decoder_faults(self, faults: Mapping[str, str]) -> None:
        """What the decoder does from now on, by track id; ``"*"`` for all others."""
        by_name = {name if name == "*" else self.audio(name).name: fault for name, fault in faults.items()}
        (self.home / FAULTS).write_text(json.dumps(by_name))
        (self.home / "go").unlink(missing_ok=True)
        for reached in self.home.glob("reached-*"):
            reached.unlink()

    def start(
        self,
        *flags: str,
        before: Sequence[str] = (),
        program: Sequence[str] = ("-m", "pipelines.categorize_tracks"),
        **environment: str,
    ) -> subprocess.Popen:
        """Start the job; ``before`` are words in front of its command line."""
        # With PYTHONDONTWRITEBYTECODE every start would compile Beam anew.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.Popen(
            [*before, sys.executable, *program, "--catalog", str(self.catalog),
             "--output", str(self.output), "--config", str(self.config), "--run_date", RUN_DATE, *flags],
            env=kept | {"TMPDIR": str(self.temporary), "HOME": str(self.home)} | environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        )  # fmt: skip

    def begin_with(self, output: pathlib.Path) -> dict[str, bytes]:
        """Put a copy of another job's output in this one's place; gives what is published there."""
        shutil.copytree(output, self.output, dirs_exist_ok=True)
        return self.published()

    def start_held(self, *flags: str, **environment: str) -> subprocess.Popen:
        """Start the job and come back when its decoder holds the first file; :meth:`release` lets it go on."""
        self.decoder_faults({"*": "wait"})
        process = self.start(*flags, **environment)
        wait_for(process, lambda: self.held() != [])
        return process

    def start_held_before_reading(self) -> subprocess.Popen:
        """Start the job and come back when it has checked everything and read nothing; :meth:`release` as above."""
        process = self.start(program=("-c", HELD_BEFORE_READING))
        wait_for(process, lambda: self.held() != [])
        return process

    def held(self) -> list[str]:
        """Names of the files that were reached by decoders that wait."""
        return [path.name.removeprefix("reached-") for path in self.home.glob("reached-*")]

    def release(self) -> None:
        (self.home / "go").touch()

    def run(self, *flags: str, **environment: str) -> str:
        """Run the job to its good end; gives what it said on standard error."""
        status, errors = finish(self.start(*flags, **environment))
        assert status == 0, errors
        return errors

    def published(self) -> dict[str, bytes]:
        """Every published file by its path, checked as a careful reader would; empty when nothing is published.

        There is one run, each of its files has the size, the sha256 and the rows that the manifest says, and no other
        file is in a partition. What tells of the one run alone is left out: how long it took, and where the audio
        was that it read and when it was written.
        """
        if not list(self.output.glob("*/run_date=*/*.parquet")):
            assert not list(self.output.glob("runs/*/_SUCCESS"))
            return {}
        (run,) = read_published_runs(str(self.output))
        files = {}
        for file in run.files:
            with open_checked(file, str(self.output), run) as stream:
                assert pq.read_metadata(stream).num_rows == file.rows
            files[str(file.path.relative_to(self.output))] = file.path.read_bytes()
        papers = self.output / "runs" / run.run_id
        files |= {f"runs/{run.run_id}/{path.name}": path.read_bytes() for path in papers.iterdir()}
        return _of_every_run(files)

    def table(self, table: str) -> list[dict]:
        """Rows of a published table."""
        (path,) = self.output.glob(f"{table}/run_date={RUN_DATE}/*.parquet")
        return pq.read_table(path, partitioning=None).to_pylist()

    def causes(self) -> dict[str, str]:
        """Error types of the dead letters by track id."""
        return {row["track_id"]: row["error_type"] for row in self.table("dead_letters")}


def _of_every_run(files: Mapping[str, bytes]) -> dict[str, bytes]:
    kept = {}
    for path, data in sorted(files.items()):
        if path.endswith("manifest.json"):
            manifest = json.loads(data)
            del manifest["audio_root"]
            manifest["files"] = [file for file in manifest["files"] if file["table"] != "audio_versions"]
            kept[path] = json.dumps(manifest, sort_keys=True).encode()
        elif not path.startswith("audio_versions/") and not path.endswith(("report.html", "timings.json")):
            kept[path] = data
    return kept


def tables_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The tables among published files."""
    return {path: data for path, data in files.items() if not path.startswith("runs/")}


def wait_for(process: subprocess.Popen, reached: Callable[[], bool]) -> None:
    """Wait for a moment in the life of a job."""
    deadline = time.monotonic() + HANGS_S
    while not reached():
        if process.poll() is not None:
            raise AssertionError(
                f"the job ended before that moment, with {process.returncode}: {process.stderr.read()}"
            )
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.002)


def finish(process: subprocess.Popen, within_s: float = HANGS_S) -> tuple[int, str]:
    """Wait for a job and all its processes to end; gives status and standard error."""
    _, errors = process.communicate(timeout=within_s)
    wait_until_gone(process.pid)
    return process.returncode, errors


def said(errors: str) -> str:
    """The one line of Earmark's own on standard error; Beam's worker processes have much to say when they are ended."""
    (line,) = [line for line in errors.splitlines() if line.startswith("earmark: ")]
    return line


def one_sentence(errors: str) -> str:
    """The one line of Earmark's own on standard error, where there must be no traceback."""
    assert "Traceback" not in errors, errors
    return said(errors)
