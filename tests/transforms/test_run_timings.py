"""The clock of a run: processor time of children counts, and nothing that is read back is trusted."""

import json
import subprocess
import sys
import time

import pytest

from models.window_records import DecodePlan
from tests.sample_run import SAMPLE
from transforms.decoder_pool import DecodeSettings, shared_pool
from transforms.run_timings import Phase, RunClock, RunTimings, StageTime

TIMINGS = RunTimings(
    "2026-01-31T00:00:00+00:00", True, 2, (Phase("a", 2.0, 3.0), Phase("b", 1.0, 0.5)),
    (StageTime("s", "files", 3, 0.1),), 7.5,
)  # fmt: skip


def test_laps_count_clock_and_processor_with_ended_children():
    begun_s = time.monotonic()
    clock = RunClock()
    time.sleep(0.2)
    clock.lap("sleep")
    at_most_s = time.monotonic() - begun_s
    subprocess.run([sys.executable, "-c", "sum(range(8_000_000))"], check=True)
    clock.lap("child")
    asleep, child = clock.timings(local=True).phases
    assert 0.19 < asleep.wall_s <= at_most_s + 0.001  # milliseconds are kept
    assert asleep.cpu_s < 0.1 < child.cpu_s


def test_a_decoder_that_still_runs_counts_too():
    clock = RunClock()
    task = shared_pool(DecodeSettings(processes=1), DecodePlan(coverage="full")).submit(
        str(SAMPLE / "audio" / "endgame" / "01-advanced-simulacra.opus")
    )
    windows = len(list(task.windows()))
    clock.lap("decode")
    assert windows > 10
    assert clock.timings(local=True).phases[0].cpu_s > 0.3


def test_timings_come_back_as_they_were():
    assert RunTimings.from_text(json.dumps(TIMINGS.to_json()).encode()) == TIMINGS
    assert (TIMINGS.wall_s, TIMINGS.cpu_s) == (3.0, 3.5)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"{}", b'{"timings_version": 2}', b'{"timings_version": 1, "phases": 3}', b"\xff"]
)
def test_what_is_no_timings_is_none(text):
    assert RunTimings.from_text(text) is None


class _NoMetrics:
    def metrics(self):
        raise NotImplementedError("this engine keeps its counters to itself")


def test_an_engine_that_keeps_its_counters_to_itself_does_not_end_a_run():
    clock = RunClock()
    clock.take_metrics(_NoMetrics())
    clock.lap("all")
    assert clock.timings(local=False).stages == ()


def test_the_stages_of_a_real_run(sample_output):
    (path,) = sample_output.glob("runs/*/timings.json")
    timings = RunTimings.from_text(path.read_bytes())
    assert [phase.name for phase in timings.phases] == [
        "check and prepare", "read, decode, label and write tables", "count and draw this page",
    ]  # fmt: skip
    assert {stage.name: stage.count for stage in timings.stages}["find and hash audio"] > 100
    assert all(stage.total_s > 0 and stage.count > 0 for stage in timings.stages)
    assert len(timings.stages) == 3
    assert timings.audio_s > 1000
    assert timings.local
