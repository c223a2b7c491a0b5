"""The Beam stages as a whole, on the in-process runner."""

from __future__ import annotations

import contextlib
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest

from models.audio_decoding import decode_windows
from models.window_records import DecodePlan
from tests.audio_files import chirp, write_audio
from tests.transforms.kept_elements import counters_of, distributions_of, run_and_keep
from transforms import decode_audio
from transforms.audio_sources import AudioRoot
from transforms.decode_audio import SUMMARIES, DecodeAudio, DecodeRequest
from transforms.decoder_pool import DecodeSettings, close_shared_pools, shared_pool

PLAN = DecodePlan(window_s=1.0)
SETTINGS = DecodeSettings(
    processes=2,
    timeout_s=5,
    cpu_limit_s=4,
    memory_limit_mb=128,
    child_module="tests.transforms.faulty_decoder_child",
)


@pytest.fixture(scope="module", autouse=True)
def _pools() -> Iterator[None]:
    yield
    close_shared_pools()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(9):
        write_audio(tmp_path / f"{i}", chirp(1.0 + i, 16_000), 16_000, "wav16")
    return tmp_path


def test_decode_gives_each_track_its_windows_and_one_summary(folder: Path) -> None:
    pairs = [(f"sha-{i}", DecodeRequest(f"{i}.wav")) for i in range(9)]
    kept, result = run_and_keep(
        DecodeAudio(AudioRoot(str(folder), check_sha256=False), SETTINGS, PLAN), pairs, "windows", SUMMARIES
    )
    summaries = {key: summary for key, (_, summary) in kept[SUMMARIES]}
    assert len(kept[SUMMARIES]) == len(summaries) == 9
    assert Counter(sha for (sha, _), _ in kept["windows"]) == {
        sha: summary.windows for sha, summary in summaries.items()
    }
    for i in range(9):
        expected = list(decode_windows(str(folder / f"{i}.wav"), PLAN))
        found = [window for (sha, _), window in kept["windows"] if sha == f"sha-{i}"]
        assert [w.start_s for w in found] == [w.start_s for w in expected]
        assert all(np.array_equal(a.samples, b.samples) for a, b in zip(found, expected, strict=True))
        assert summaries[f"sha-{i}"].duration_s == 1.0 + i
        ends = [end for (sha, end), _ in kept["windows"] if sha == f"sha-{i}"]
        assert ends[:-1] == [None] * (len(ends) - 1)
        assert ends[-1] == (pairs[i][1], summaries[f"sha-{i}"])
    assert counters_of(result, "DecodeAudio") == {"files": 9, "windows": len(kept["windows"])}
    distributions = distributions_of(result, "DecodeAudio")
    assert distributions["decoded_audio_msec"].sum == 1000 * len(kept["windows"])
    assert distributions["decode_msec"].count == 9


def test_a_later_round_gives_the_windows_it_is_asked_for_and_counts_apart(folder: Path) -> None:
    tone = chirp(8, 16_000)
    opposite = write_audio(folder / "opposite", np.stack([tone, -tone]), 16_000, "wav16").name
    later = [
        ("a", DecodeRequest("8.wav", starts=(0, 100_000))),
        ("b", DecodeRequest(opposite, starts=(16_000,), known_flags=("channels_cancel",))),
    ]
    transform = DecodeAudio(AudioRoot(str(folder), check_sha256=False), SETTINGS, PLAN)
    kept, result = run_and_keep(transform, [*later, ("c", DecodeRequest("0.wav"))], "windows", SUMMARIES)
    places = {(key, window.start_s) for (key, _), window in kept["windows"]}
    assert places == {("a", 0.0), ("a", 6.25), ("b", 1.0), ("c", 0.0)}
    summaries = {key: summary for key, (_, summary) in kept[SUMMARIES]}
    assert (summaries["a"].windows, summaries["a"].duration_s) == (2, 9.0)
    assert summaries["b"].flags == ("channels_cancel",)
    # The flag was counted in the first round, and so was the file.
    assert counters_of(result, "DecodeAudio") == {"files": 1, "files_heard_again": 2, "windows": 4}


def test_bad_files_cost_themselves_alone(folder: Path) -> None:
    for fault in ("segfault", "sleep", "bomb"):
        shutil.copy(folder / "3.wav", folder / f"{fault}-.wav")
    (folder / "garbage.mp3").write_bytes(np.random.default_rng(0).bytes(50_000))
    names = [f"{i}.wav" for i in range(9)]
    bad = {
        "segfault-.wav": "decoder_crash",
        "sleep-.wav": "decode_timeout",
        "bomb-.wav": "decoder_out_of_memory",
        "garbage.mp3": "unreadable_audio",
        "none.wav": "missing_audio",  # removed since it was identified
    }
    pairs = [(name, DecodeRequest(name)) for name in (*list(bad)[:2], *names, *list(bad)[2:])]
    kept, result = run_and_keep(
        DecodeAudio(AudioRoot(str(folder), check_sha256=False), SETTINGS, PLAN), pairs, "windows", SUMMARIES
    )
    errors = {name: summary.error_type for name, (_, summary) in kept[SUMMARIES]}
    assert errors == bad | dict.fromkeys(names)
    assert len(kept[SUMMARIES]) == len(pairs)
    assert Counter(name for (name, _), _ in kept["windows"]) == {
        name: summary.windows for name, (_, summary) in kept[SUMMARIES] if summary.windows
    }
    counters = counters_of(result, "DecodeAudio")
    assert {name: value for name, value in counters.items() if name.startswith("files_")} == {
        f"files_{error_type}": 1 for error_type in bad.values()
    }
    assert counters["decoder_processes_lost"] == 4  # the crash is tried with both decoders


def test_no_more_tracks_in_flight_than_four_for_each_process(folder: Path) -> None:
    fn = decode_audio._DecodeAudioFn(AudioRoot(str(folder), check_sha256=False), SETTINGS, PLAN)
    fn.setup()
    fn.start_bundle()
    summaries = 0
    for i in range(9):
        for output in fn.process((f"{i}", DecodeRequest(f"{i}.wav"))):
            assert len(fn._in_flight.tasks) <= 4 * SETTINGS.process_count
            summaries += isinstance(output, beam.pvalue.TaggedOutput)
        assert len(fn._in_flight.tasks) < 4 * SETTINGS.process_count
    summaries += sum(isinstance(output, beam.pvalue.TaggedOutput) for output in fn.finish_bundle())
    assert summaries == 9
    assert not fn._in_flight.tasks
    fn.teardown()


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The decoding of 0.wav waits for this."""
    event = threading.Event()
    local_copy = decode_audio.local_copy

    @contextlib.contextmanager
    def held(audio_uri: str, *arguments: Any) -> Iterator[str]:
        with local_copy(audio_uri, *arguments) as path:
            assert audio_uri != "0.wav" or event.wait(timeout=60)
            yield path

    monkeypatch.setattr(decode_audio, "local_copy", held)
    return event


def test_a_track_that_takes_long_does_not_hold_up_the_others(folder: Path, go_on: threading.Event) -> None:
    fn = decode_audio._DecodeAudioFn(AudioRoot(str(folder), check_sha256=False), SETTINGS, PLAN)
    fn.setup()
    fn.start_bundle()
    ended = []
    for name in ["0.wav", *[f"{i % 8 + 1}.wav" for i in range(40)]]:
        ended += [out.value[0] for out in fn.process((name, DecodeRequest(name))) if hasattr(out, "tag")]
    assert len(ended) > 40 - 4 * SETTINGS.process_count
    assert "0.wav" not in ended
    go_on.set()
    ended += [out.value.value[0] for out in fn.finish_bundle() if hasattr(out, "tag")]
    assert len(ended) == 41
    assert ended.count("0.wav") == 1
    fn.teardown()


@pytest.mark.parametrize("at_end", [False, True])
def test_tracks_that_are_given_up_while_a_bundle_works_fail_it(
    folder: Path, at_end: bool, go_on: threading.Event
) -> None:
    """As at the end of a worker process; a bundle that ended well would have lost them."""
    fn = decode_audio._DecodeAudioFn(AudioRoot(str(folder), check_sha256=False), SETTINGS, PLAN)
    fn.setup()
    fn.start_bundle()
    assert list(fn.process(("0", DecodeRequest("0.wav")))) == []
    fn._in_flight.cancel()
    go_on.set()
    with pytest.raises(RuntimeError, match="given up"):
        list(fn.finish_bundle() if at_end else fn.process(("7", DecodeRequest("7.wav"))))
    fn.start_bundle()
    outputs = [*fn.process(("6", DecodeRequest("6.wav"))), *fn.finish_bundle()]
    assert sum(hasattr(output, "tag") for output in outputs) == 1
    fn.teardown()


def test_a_failed_bundle_leaves_no_track_behind(folder: Path) -> None:
    """Beam drops the instance; whatever it had in flight must not hold a decoder up."""
    plan = DecodePlan(window_s=0.05, coverage="full")  # more windows than a queue holds
    fn = decode_audio._DecodeAudioFn(AudioRoot(str(folder), check_sha256=False), SETTINGS, plan)
    fn.setup()
    fn.start_bundle()
    for i in range(3):
        list(zip(range(3), fn.process((f"{i}", DecodeRequest("8.wav"))), strict=False))
    tasks = list(fn._in_flight.tasks)
    gone = weakref.ref(fn)
    del fn
    assert gone() is None
    assert all(task.cancelled for task in tasks)
    after = shared_pool(SETTINGS, plan).submit(str(folder / "0.wav"))
    assert len(list(after.windows())) == 20
