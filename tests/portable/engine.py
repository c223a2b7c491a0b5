"""A portable engine on loopback: Beam's Prism as job service, and worker pools in processes of their own."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.ports import reserved_port

ROOT = pathlib.Path(__file__).parents[2]
RUN_DATE = "2026-01-31"
BIN = pathlib.Path(sys.executable).parent
START_TIMEOUT_S = 120.0
END_TIMEOUT_S = 60.0

#: Workers are started as ``python``, and find the packages that are tested. With PYTHONDONTWRITEBYTECODE each of them
#: would compile Beam anew.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
    "PYTHONPATH": str(ROOT),
}


def prism() -> str:
    """The job service's program."""
    found = shutil.which("prism", path=ENVIRONMENT["PATH"])
    if found is None:
        pytest.fail(f"There is no Prism in {BIN}; run make test-portable, which builds it with Go.", pytrace=False)
    return found


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int, what: bytes = b"") -> list[int]:
    """Processes that ``pid`` started and whose command holds ``what``."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and what in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


class Service:
    """A server process on a loopback port."""

    def __init__(self, command: list[str], port: int, log: pathlib.Path) -> None:
        self.address = f"localhost:{port}"
        self._log = log
        with log.open("w") as stream:
            # In a folder of its own, as on another machine: no path may be relative to where the job was started.
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=log.parent, env=ENVIRONMENT)
        self.pid = self._process.pid
        try:
            wait_for(lambda: self._listens(port), f"an answer from {command}")
        except BaseException:
            self.kill()
            raise

    def _listens(self, port: int) -> bool:
        assert self.is_running(), self.log()
        with contextlib.suppress(ConnectionError), socket.create_connection(("localhost", port), timeout=1):
            return True
        return False

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Engine:
    """One job service and its worker pools; a context manager."""

    def __init__(self, folder: pathlib.Path, pools: int = 1) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._stack = contextlib.ExitStack()
        port = reserved_port()
        jobs = [prism(), f"-job_port={port}", "-serve_http=false", "-log_kind=text"]
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._stack.close)
            self.jobs = self._start(jobs, port, "jobs.log")
            self.pools = [self._start_pool(f"pool-{number}.log", own_worker=pools > 1) for number in range(pools)]
            on_failure.pop_all()

    def _start_pool(self, log: str, own_worker: bool) -> Service:
        port = reserved_port()
        command = ["python", "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"]
        if own_worker:
            worker = self._folder / "worker"
            worker.write_text('#!/bin/sh\nexec python -m tests.portable.worker "$@"\n')
            worker.chmod(0o755)
            command.append(f"--container_executable={worker}")
        return self._start(command, port, log)

    def _start(self, command: list[str], port: int, log: str) -> Service:
        service = Service(command, port, self._folder / log)
        self._stack.callback(service.close)
        return service

    def flags(self) -> list[str]:
        """What the job's command line says of the engine."""
        runner = "PortableRunner" if len(self.pools) == 1 else "tests.portable.spread_runner.SpreadRunner"
        addresses = ",".join(pool.address for pool in self.pools)
        return [
            f"--runner={runner}", f"--job_endpoint={self.jobs.address}", "--environment_type=EXTERNAL",
            f"--environment_config={addresses}",
        ]  # fmt: skip

    def workers(self) -> list[int]:
        """Worker processes of all pools."""
        return [pid for pool in self.pools for pid in children(pool.pid)]

    def decoders(self) -> list[int]:
        """Decoder processes of all workers."""
        return [pid for worker in self.workers() for pid in children(worker, b"decoder_child")]

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        workers = self.workers()
        self._stack.close()
        for pid in workers:  # of a pool that was killed itself
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start_job(catalog: str | pathlib.Path, output: pathlib.Path, *flags: str) -> subprocess.Popen:
    """The main job as a user starts it, with paths relative to the checkout."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", str(catalog), "--output", str(output),
         "--audio_root", "sample", "--run_date", RUN_DATE, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT,
    )  # fmt: skip


def finish(job: subprocess.Popen) -> str:
    """What a job that has to succeed wrote on standard output."""
    told, errors = job.communicate()
    assert job.returncode == 0, errors
    return told


@contextlib.contextmanager
def ended(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """Leave no job behind when a test fails."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
