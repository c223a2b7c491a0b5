"""A worker's Python: an environment of its own that has the libraries, and Earmark only from a package."""

import hashlib
import pathlib
import subprocess
import sys
import venv

from tests.gcs.emulated_store import Job

_RUN_STAGED_JOB = pathlib.Path(__file__).with_name("run_staged_job.py")


class WorkerPython:
    """A virtual environment in ``folder``; its libraries are those of the environment that runs the tests.

    They are found through a path file, so that the checkout, which is installed there in editable form, is not.
    """

    def __init__(self, folder: pathlib.Path, job: Job) -> None:
        self.folder, self._job = folder, job
        self._installed: str | None = None
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        libraries = [path for path in sys.path if path.endswith("site-packages")]
        packages = next(folder.glob("lib/python*/site-packages"))
        (packages / "libraries.pth").write_text("".join(f"{path}\n" for path in libraries))
        self.packages = packages

    def install(self, package: pathlib.Path) -> None:
        """Install a package as a worker does, from nothing but the file and what is installed; not twice the same."""
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if digest == self._installed:
            return
        self._installed = digest
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
        ]
        options = ["--no-build-isolation", "--force-reinstall", "--disable-pip-version-check"]
        subprocess.run([*command, *options, package], check=True, cwd=self.folder)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run this Python, with nothing of the checkout on its path."""
        return subprocess.run(
            [self.python, *arguments],
            env=self._job.environment() | environment, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def run_job(self, pipeline_url: str) -> subprocess.CompletedProcess:
        """Run a staged graph to its end."""
        return self.run(str(_RUN_STAGED_JOB), pipeline_url)
