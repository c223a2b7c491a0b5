"""The pool on sound files: order, sharing, back pressure, recycling, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from models.audio_decoding import decode_windows
from models.window_records import DecodePlan
from tests.audio_files import chirp, write_audio
from transforms.decoder_pool import DecoderPool, DecodeSettings
from transforms.decoder_process import DecoderProcess, ProcessLimits

ROOT = Path(__file__).parents[2]
PLAN = DecodePlan(window_s=1.0)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_audio(tmp_path_factory.mktemp("audio") / "tone", chirp(20, 16_000), 16_000, "wav16")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(DecodeSettings(processes=2, timeout_s=30), PLAN) as shared:
        yield shared


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_gives_what_decoding_in_process_gives(pool: DecoderPool, audio: Path) -> None:
    task = pool.submit(str(audio))
    windows = list(task.windows())
    expected = list(decode_windows(str(audio), PLAN))
    assert [w.start_s for w in windows] == [w.start_s for w in expected]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(windows, expected, strict=True))
    assert [(w.valid_samples, w.peak_dbfs) for w in windows] == [(w.valid_samples, w.peak_dbfs) for w in expected]
    assert task.summary.windows == 6
    assert task.summary.duration_s == 20.0
    assert task.summary.error_type is None


def test_many_tracks_in_flight_keep_their_own_windows(pool: DecoderPool, tmp_path: Path) -> None:
    paths = [write_audio(tmp_path / str(i), chirp(1 + i, 16_000), 16_000, "wav16") for i in range(12)]
    tasks = [pool.submit(str(path)) for path in paths]
    for i, task in enumerate(tasks):
        assert len(list(task.windows())) == min(6, 1 + i)
        assert task.summary.duration_s == 1.0 + i
    assert len(pool.process_ids()) == 2


def test_processes_run_at_the_same_time(pool: DecoderPool, audio: Path) -> None:
    """The second track is finished while nobody has taken the first one's windows."""
    first, second = pool.submit(str(audio)), pool.submit(str(audio))
    assert wait_until(lambda: second.finished)
    assert len(list(first.windows())) == len(list(second.windows())) == 6


def test_a_slow_taker_holds_the_decoder_up(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "long", np.zeros(1_000 * 8_000, np.float32), 8_000, "wav8")
    plan = DecodePlan(window_s=10.0, coverage="full")
    with DecoderPool(DecodeSettings(processes=1, timeout_s=20), plan) as slow:
        task = slow.submit(str(path))
        windows = task.windows()
        next(windows)
        (pid,) = slow.process_ids()

        def cpu_ticks() -> int:
            return sum(int(part) for part in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])

        def stands_still() -> bool:
            before = cpu_ticks()
            time.sleep(0.5)  # long enough to decode half of it
            return cpu_ticks() - before <= 1

        assert wait_until(stands_still, 60)
        assert not task.finished
        assert 1 + len(list(windows)) == 100
        assert task.summary.error_type is None


def test_waiting_for_the_taker_is_no_time_out(audio: Path) -> None:
    plan = DecodePlan(window_s=0.2, coverage="full")  # 100 windows: the queue is full long before the end
    with DecoderPool(DecodeSettings(processes=1, timeout_s=3.0), plan) as slow:
        task = slow.submit(str(audio))
        windows = task.windows()
        next(windows)
        time.sleep(3.2)
        assert 1 + len(list(windows)) == 100
        assert task.summary.error_type is None


def test_a_process_is_replaced_after_its_share_of_tracks(audio: Path) -> None:
    with DecoderPool(DecodeSettings(processes=1, tracks_per_process=2), PLAN) as recycling:
        seen = []
        for _ in range(5):
            task = recycling.submit(str(audio))
            assert len(list(task.windows())) == 6
            seen += recycling.process_ids()
        assert len(set(seen)) == 3
        assert not any(is_running(pid) for pid in seen[:4])


def test_a_cancelled_task_frees_its_process(tmp_path: Path, audio: Path) -> None:
    path = write_audio(tmp_path / "long", np.zeros(100 * 8_000, np.float32), 8_000, "wav8")
    plan = DecodePlan(window_s=1.0, coverage="full")
    with DecoderPool(DecodeSettings(processes=1), plan) as pool:
        task = pool.submit(str(path))
        next(task.windows())
        task.cancel()
        after = pool.submit(str(audio))
        assert len(list(after.windows())) == 20


def test_close_ends_the_processes_and_wakes_who_waits(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "long", np.zeros(100 * 8_000, np.float32), 8_000, "wav8")
    pool = DecoderPool(DecodeSettings(processes=2), DecodePlan(window_s=1.0, coverage="full"))
    tasks = [pool.submit(str(path)) for _ in range(3)]
    next(tasks[0].windows())
    pids = pool.process_ids()
    pool.close()
    assert pids
    assert not any(is_running(pid) for pid in pids)
    with pytest.raises(RuntimeError, match="closed"):
        list(tasks[2].windows())
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(str(path))


PARENT = """
import sys, time
from transforms.decoder_pool import DecodeSettings, shared_pool
from models.window_records import DecodePlan
pool = shared_pool(DecodeSettings(processes=2), DecodePlan(window_s=1.0, coverage="full"))
tasks = [pool.submit(sys.argv[1]) for _ in range(2)]
for task in tasks:
    next(task.windows())
print(*pool.process_ids(), flush=True)
if sys.argv[2] == "wait":
    for _ in range(600):  # a signal that comes just before a sleep does not end it
        time.sleep(0.1)
"""


@pytest.mark.parametrize("end", ["kill", "interrupt", "exit"])
def test_no_process_outlives_its_parent(tmp_path: Path, end: str) -> None:
    path = write_audio(tmp_path / "long", np.zeros(100 * 8_000, np.float32), 8_000, "wav8")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path), "stop" if end == "exit" else "wait"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        if end == "kill":
            parent.kill()
        elif end == "interrupt":  # as Ctrl-C does: to all processes of the group
            os.killpg(parent.pid, signal.SIGINT)
        assert wait_until(lambda: not any(is_running(pid) for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the mask from /proc")
def test_a_ctrl_c_passes_a_decoder_by_from_its_first_moment() -> None:
    """Blocked by who starts it: what a process does about signals by itself, it does after its imports."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    process = DecoderProcess(ProcessLimits(30.0, 30.0, 512, "transforms.decoder_child"), PLAN)
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        (blocked,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk:")]
        assert blocked >> (signal.SIGINT - 1) & 1
    finally:
        process.kill()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_the_decoder_imports_no_pipeline() -> None:
    """A decoder process must start fast: none of the heavy packages may come with it."""
    code = "import sys, transforms.decoder_child; print(*{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"apache_beam", "tensorflow", "pyarrow", "pydantic"} & set(out.split())


@pytest.mark.parametrize(
    ("given", "processors", "workers", "each"), [(0, 2, 2, 1), (0, 8, 2, 4), (0, 16, 2, 4), (0, 2, 3, 1), (3, 2, 2, 3)]
)
def test_workers_on_one_machine_share_its_processors(
    monkeypatch: pytest.MonkeyPatch, given: int, processors: int, workers: int, each: int
) -> None:
    monkeypatch.setattr("transforms.decoder_pool.available_processors", lambda: processors)
    assert DecodeSettings(processes=given).shared_by(workers).process_count == each
