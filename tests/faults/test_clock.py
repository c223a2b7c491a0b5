"""A clock that jumps by years in the middle of a run: no row and no time-out goes by it."""

import pathlib
import shutil
import struct
import subprocess
import sys
import time

import pytest

from tests.faults.disturbed_job import Job, finish

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="needs a C compiler, for a library that shifts the clock"
)
FIVE_YEARS_S = 5 * 365 * 86_400


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    built = tmp_path_factory.mktemp("clock") / "jumping_clock.so"
    source = pathlib.Path(__file__).with_name("jumping_clock.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", str(built), str(source)], check=True)
    return built


def jump(clock: pathlib.Path, by_s: int) -> None:
    with clock.open("r+b") as stream:
        stream.write(struct.pack("l", by_s))


@pytest.fixture
def clock(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "clock").write_bytes(struct.pack("l", 0))
    return tmp_path / "clock"


def test_the_library_shifts_the_time_of_day_and_no_other_clock(library: pathlib.Path, clock: pathlib.Path) -> None:
    jump(clock, FIVE_YEARS_S)
    code = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())"
    environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}
    output = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True).stdout
    of_day, by_date, monotonic = map(float, output.split())
    assert abs(of_day - time.time() - FIVE_YEARS_S) < 60
    assert abs(by_date - of_day) < 60
    assert abs(monotonic - time.monotonic()) < 60


@pytest.mark.parametrize(
    ("flags", "by_s"), [((), FIVE_YEARS_S), (("--processes", "2"), -FIVE_YEARS_S)], ids=["forward", "back"]
)
def test_the_clock_jumps(
    flags: tuple[str, ...],
    by_s: int,
    library: pathlib.Path,
    clock: pathlib.Path,
    job: Job,
    undisturbed: dict[str, bytes],
) -> None:
    process = job.start_held(*flags, LD_PRELOAD=str(library), CLOCK_FILE=str(clock))
    jump(clock, by_s)
    job.release()
    status, errors = finish(process)
    assert status == 0, errors
    assert job.published() == undisturbed
