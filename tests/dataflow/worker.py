"""A worker's Python: an environment of its own that has the libraries, and Earmark only from a package."""

import pathlib
import site
import subprocess
import sys
import sysconfig
import venv

from tests.gcs.emulated_store import Job

_RUN_STAGED_JOB = pathlib.Path(__file__).with_name("run_staged_job.py")


class WorkerPython:
    """A virtual environment in ``folder``; its libraries are those of the environment that runs the tests.

    They are found through a path file, so that the checkout, which is installed there in editable form, is not.
    """

    def __init__(self, folder: pathlib.Path, job: Job) -> None:
        self.folder, self._job = folder, job
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        libraries = {
            sysconfig.get_path("purelib"),
            *site.getsitepackages(),
            *(p for p in sys.path if p.endswith("-packages")),
        }
        packages = next(folder.glob("lib/python*/site-packages"))
        (packages / "libraries.pth").write_text("".join(f"{path}\n" for path in sorted(libraries)))
        self.packages = packages

    def install(self, package: pathlib.Path) -> None:
        """Install a package as a worker does, from nothing but the file and what is installed."""
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

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run this Python, with nothing of the checkout on its path."""
        return subprocess.run(
            [self.python, *arguments],
            env=self._job.environment(), cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def run_job(self, pipeline_url: str) -> subprocess.CompletedProcess:
        """Run a staged graph to its end."""
        return self.run(str(_RUN_STAGED_JOB), pipeline_url)
