"""Progress counts from real worker threads and processes, and the line that a person reads."""

import io
import threading
import time
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.progress import CountProgress, ProgressDisplay, ProgressView, read_counts

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


@pytest.mark.parametrize("flags", [[], ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]])
def test_counts_of_all_workers_add_up(tmp_path, flags):
    with beam.Pipeline(options=PipelineOptions([RUNNER, *flags])) as pipeline:
        elements = pipeline | beam.Create(range(100)) | beam.Reshuffle()
        passed = elements | beam.ParDo(CountProgress(str(tmp_path), "rows_read"))
        _ = passed | beam.combiners.Count.Globally() | beam.Map(lambda n: _equal(n, 100))
    assert read_counts(str(tmp_path)) == Counter({"rows_read": 100})


def test_instances_that_write_at_the_same_moment_keep_their_counts_apart(tmp_path):
    instances = [CountProgress(str(tmp_path), "rows_read") for _ in range(8)]
    start = threading.Barrier(len(instances))

    def count(instance):
        instance.setup()
        start.wait()
        for _ in range(100):
            list(instance.process("row"))
            instance.finish_bundle()

    threads = [threading.Thread(target=count, args=[instance]) for instance in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_counts(str(tmp_path)) == Counter({"rows_read": 800})


def _equal(a, b):
    assert a == b


def test_a_folder_that_vanished_fails_nothing(tmp_path):
    with beam.Pipeline(options=PipelineOptions([RUNNER])) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.ParDo(CountProgress(str(tmp_path / "none"), "rows_read"))
    assert read_counts(str(tmp_path / "none")) == Counter()


@pytest.mark.parametrize(
    ("counts", "phase", "done", "total"),
    [
        ({}, "reading catalog rows", 0, None),
        ({"rows_read": 7}, "reading catalog rows", 7, None),
        ({"rows_read": 90, "rows_valid": 8, "rows_identified": 3}, "finding audio of rows", 3, 90),
        ({"rows_read": 90, "dead_letters": 5, "rows_valid": 8, "rows_identified": 3}, "finding audio of rows", 3, 85),
        ({"rows_read": 90, "rows_to_label": 8, "rows_identified": 3}, "finding audio of rows", 3, None),
        ({"rows_valid": 8, "rows_identified": 8, "audio_found": 5, "audio_decoded": 2}, "labelling audio files", 2, 5),
        (
            {"audio_found": 5, "audio_decoded": 5, "audio_to_hear_again": 3, "audio_heard_again": 1},
            "hearing more of doubtful audio",
            1,
            3,
        ),
        ({"rows_identified": 8, "audio_found": 5, "audio_decoded": 5, "rows_judged": 4}, "writing tables", 4, 8),
    ],
)
def test_the_phase_follows_from_the_counts(counts, phase, done, total):
    view = ProgressView.of(Counter(counts))
    assert (view.phase, view.done, view.total) == (phase, done, total)


def test_the_line_has_done_total_rate_time_left_and_dead_letters():
    view = ProgressView("labelling audio files", 1_500, 9_000, 3)
    assert (
        view.line(1_000, 10.0)
        == "labelling audio files: 1,500 of 9,000, 100.0/s, about 0:01:15 left, 3 dead letters so far"
    )
    assert view.line(0, 0.1) == "labelling audio files: 1,500 of 9,000, 3 dead letters so far"


def test_the_display_writes_lines_where_there_is_no_terminal(tmp_path):
    stream = io.StringIO()
    (tmp_path / "rows_read.1").write_text("rows_read 5")
    with ProgressDisplay(str(tmp_path), stream, every_s=0.05):
        deadline = time.monotonic() + 60
        while not stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert stream.getvalue().startswith("reading catalog rows: 5, 0 dead letters so far\n")
    assert "\x1b" not in stream.getvalue()
