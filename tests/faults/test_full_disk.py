"""Disks that run full, under the output and under the temporary folder: one sentence, and the old partition stands."""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.faults.disturbed_job import Job, finish, one_sentence, said


@contextlib.contextmanager
def small_disk(place: pathlib.Path, kib: int) -> Iterator[pathlib.Path]:
    place.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: pathlib.Path, left_kib: int) -> pathlib.Path:
    """Take all room but so much; deleting the file that is returned gives it back."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(status.f_bavail * status.f_frsize - left_kib * 1024))
    return ballast


needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small file system"
)


@needs_root
@pytest.mark.parametrize("left_kib", [8, 40], ids=["while tables are written", "while it publishes"])
def test_no_room_for_the_output(
    left_kib: int, job: Job, old_partition: pathlib.Path, undisturbed: dict[str, bytes]
) -> None:
    with small_disk(job.output, 4096) as disk:
        old = job.begin_with(old_partition)
        ballast = fill(disk, left_kib)
        status, errors = finish(job.start())
        assert status == 1, errors
        assert "No room is left on a disk" in said(errors)
        assert str(job.output) in said(errors)
        assert job.published() == old
        ballast.unlink()
        job.run()
        assert job.published() == undisturbed


@needs_root
def test_no_room_for_temporary_files(job: Job, undisturbed: dict[str, bytes]) -> None:
    """A local run with local audio keeps nothing there but its progress, which it can do without."""
    with small_disk(job.temporary, 64) as disk:
        fill(disk, 0)
        job.run()
        assert job.published() == undisturbed


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one process", "two processes"])
def test_files_may_not_grow(flags: tuple[str, ...], job: Job, undisturbed: dict[str, bytes]) -> None:
    """A limit on the size of files stands for a quota where no file system can be mounted."""
    limit = 2000
    before = [
        sys.executable, "-c",
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
        "os.execv(sys.argv[2], sys.argv[2:])",
        str(limit),
    ]  # fmt: skip
    assert max(len(data) for data in undisturbed.values()) > limit
    status, errors = finish(job.start(*flags, before=before))
    assert status == 1, errors
    assert "No room is left on a disk" in said(errors)
    assert job.published() == {}
    job.run()
    assert job.published() == undisturbed


@needs_root
def test_a_table_that_cannot_be_written_is_found_before_the_work(job: Job, old_partition: pathlib.Path) -> None:
    before = job.begin_with(old_partition)
    with small_disk(job.output / "track_segments", 64) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        job.decoder_faults({"*": "abort"})  # nothing is decoded
        status, errors = finish(job.start())
        assert status == 2, errors
        assert f"cannot be written: Read-only file system ({disk})" in one_sentence(errors)
    assert job.published() == before
