"""Keeps what a pipeline on the in-process runner puts out, in this process."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

_LOCK = threading.Lock()
_KEPT: dict[str, list[Any]] = {}


class _Keep(beam.DoFn):
    def __init__(self, tag: str) -> None:
        self._tag = tag

    def process(self, element: Any, window: Any = beam.DoFn.WindowParam) -> None:
        assert window == beam.transforms.window.GlobalWindow()
        with _LOCK:
            _KEPT[self._tag].append(element)


def run_and_keep(transform: beam.PTransform, elements: list[Any], *tags: str) -> tuple[dict[str, list[Any]], Any]:
    """Run ``transform`` over ``elements``; give its outputs by tag, and the run's result."""
    _KEPT.clear()
    _KEPT.update({tag: [] for tag in tags})
    pipeline = beam.Pipeline(runner=FnApiRunner())
    outputs = pipeline | beam.Create(elements, reshuffle=False) | transform
    for tag in tags:
        outputs[tag] | f"keep {tag}" >> beam.ParDo(_Keep(tag))
    result = pipeline.run()
    result.wait_until_finish()
    return {tag: list(kept) for tag, kept in _KEPT.items()}, result


def counters_of(result: Any, namespace: str) -> dict[str, int]:
    """Committed or attempted values of the counters of one namespace that are not zero, added up over all steps."""
    counters: Counter[str] = Counter()
    for m in result.metrics().query()["counters"]:
        if m.key.metric.namespace == namespace and m.result:
            counters[m.key.metric.name] += m.result
    return dict(counters)


def distributions_of(result: Any, namespace: str) -> dict[str, Any]:
    """Distributions of one namespace; of a name that several steps have, one of them."""
    found = result.metrics().query()["distributions"]
    return {m.key.metric.name: m.result for m in found if m.key.metric.namespace == namespace}
