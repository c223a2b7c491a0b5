"""What Beam's worker gathers of a stage's output in a local run."""

from __future__ import annotations

import contextlib

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.worker.data_plane import ClosableOutputStream
from apache_beam.testing.util import assert_that, equal_to

from transforms.stage_buffers import small_buffers


def parts_of(elements: list[bytes]) -> list[bytes]:
    """Send elements as Beam's worker does."""
    parts: list[bytes] = []
    stream = ClosableOutputStream.create(parts.append, parts.append, 0)
    for element in elements:
        stream.write(element)
        stream.maybe_flush()
    stream.close()
    return parts


def test_output_is_handed_on_in_small_parts():
    elements = [bytes([number % 251]) * 1_000 for number in range(3_000)]
    together = b"".join(elements)
    assert parts_of(elements) == [together]  # else there is nothing to mend here
    with small_buffers():
        parts = parts_of(elements)
    assert b"".join(parts) == together
    assert max(map(len, parts)) < 300_000
    assert parts_of(elements) == [together]


def test_an_error_puts_beams_own_way_back():
    with pytest.raises(RuntimeError, match="stopped"), small_buffers():
        raise RuntimeError("stopped")
    assert len(parts_of([b"x" * 1_000] * 3_000)) == 1


def test_a_pipeline_gives_the_same():
    texts = [f"{number:01000d}" for number in range(1_500)]
    with small_buffers(), beam.Pipeline(FnApiRunner()) as pipeline:
        lengths = (
            pipeline
            | beam.Create(texts)
            | beam.Map(lambda text: (int(text) % 7, text))
            | beam.GroupByKey()
            | beam.MapTuple(lambda key, found: (key, sorted(found)))
        )
        assert_that(lengths, equal_to([(key, texts[key::7]) for key in range(7)]))


def test_a_beam_without_that_class_is_left_as_it_is(monkeypatch):
    monkeypatch.delattr("apache_beam.runners.worker.data_plane.SizeBasedBufferingClosableOutputStream")
    with small_buffers():
        pass


def test_two_jobs_at_once_leave_beams_own_way_behind():
    first, second = small_buffers(), small_buffers()
    with contextlib.ExitStack() as stack:
        first.__enter__()
        stack.enter_context(second)
        first.__exit__(None, None, None)
    assert len(parts_of([b"x" * 1_000] * 3_000)) == 1
