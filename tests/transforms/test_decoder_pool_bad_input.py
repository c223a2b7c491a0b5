"""Files that take the decoder process with them: each costs its own summary, and its neighbours nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.window_records import DecodePlan
from tests.audio_files import chirp, write_audio
from transforms.decode_task import DecodeTask
from transforms.decoder_pool import DecoderPool, DecodeSettings
from transforms.records import ErrorType

PLAN = DecodePlan(window_s=1.0)
FAULTY = "tests.transforms.faulty_decoder_child"


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_audio(tmp_path_factory.mktemp("audio") / "tone", chirp(6, 16_000), 16_000, "wav16")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    settings = DecodeSettings(processes=2, timeout_s=3, cpu_limit_s=1, memory_limit_mb=128, child_module=FAULTY)
    with DecoderPool(settings, PLAN) as shared:
        yield shared


def submit(pool: DecoderPool, audio: Path, folder: Path, fault: str) -> DecodeTask:
    copy = folder / f"{fault}-{len(list(folder.iterdir()))}.wav"
    shutil.copy(audio, copy)
    return pool.submit(str(copy))


FAULTS = {
    "segfault": (ErrorType.DECODER_CRASH, "SIGSEGV"),
    "abort": (ErrorType.DECODER_CRASH, "SIGABRT"),
    "kill": (ErrorType.DECODER_CRASH, "SIGKILL"),
    "silent": (ErrorType.DECODER_CRASH, "exit status 0"),
    "garbage": (ErrorType.DECODER_CRASH, "no message"),
    "raise": (ErrorType.DECODER_CRASH, "RuntimeError"),
    "sleep": (ErrorType.DECODE_TIMEOUT, "within 3 s"),
    "spin": (ErrorType.DECODE_TIMEOUT, "1 s of processor time|within 3 s"),
    "bomb": (ErrorType.DECODER_OUT_OF_MEMORY, "memory"),
    "nativebomb": (ErrorType.DECODER_OUT_OF_MEMORY, "128 MiB"),
}


def test_each_fault_costs_one_track(pool: DecoderPool, audio: Path, tmp_path: Path) -> None:
    tasks: list[tuple[str, DecodeTask]] = []
    for fault in FAULTS:
        tasks += [(fault, submit(pool, audio, tmp_path, fault)), ("sound", submit(pool, audio, tmp_path, "sound"))]
    for fault, task in tasks:
        windows = list(task.windows())
        summary = task.summary
        assert summary.windows == len(windows)
        assert str(tmp_path) not in str(summary.message)
        if fault == "sound":
            assert (summary.error_type, summary.windows, summary.flags) == (None, 6, ())
            continue
        error_type, words = FAULTS[fault]
        assert (summary.error_type, summary.windows) == (error_type.value, 0), fault
        assert any(word in str(summary.message) for word in words.split("|")), summary.message
        assert task.processes_lost == {"raise": 0}.get(fault, 2 if "crash" in error_type else 1), fault


def test_after_a_crash_the_other_decoder_is_tried(pool: DecoderPool, audio: Path, tmp_path: Path) -> None:
    task = submit(pool, audio, tmp_path, "firstdecoder")
    assert len(list(task.windows())) == 6
    assert task.summary.error_type is None
    assert task.summary.flags == ("decoded_by_fallback",)
    assert task.processes_lost == 1


def test_windows_given_before_a_crash_stand(audio: Path, tmp_path: Path) -> None:
    settings = DecodeSettings(processes=1, timeout_s=5, child_module=FAULTY)
    with DecoderPool(settings, DecodePlan(window_s=1.0, coverage="full")) as pool:
        task = submit(pool, audio, tmp_path, "latesegfault")
        windows = list(task.windows())
        assert [w.start_s for w in windows] == [0.0, 1.0]
        assert task.summary.windows == 2
        assert task.summary.duration_s == 2.0
        assert task.summary.error_type == "decoder_crash"
        assert "SIGSEGV" in str(task.summary.message)


def test_what_a_library_prints_does_no_harm(pool: DecoderPool, audio: Path, tmp_path: Path) -> None:
    task = submit(pool, audio, tmp_path, "print")
    assert len(list(task.windows())) == 6
    assert task.summary.error_type is None


def test_a_decoder_that_does_not_start_is_no_fault_of_the_track(audio: Path) -> None:
    with (
        DecoderPool(DecodeSettings(processes=1, child_module="tests.transforms.no_such_module"), PLAN) as broken,
        pytest.raises(RuntimeError, match="does not start"),
    ):
        list(broken.submit(str(audio)).windows())
