"""What a run took: wall and processor time of its parts, and the sums that its stages counted.

Kept as ``runs/<run_id>/timings.json``, beside the manifest and not in it: equal runs have equal manifests, and no two
runs take the same time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from transforms.decoder_pool import close_shared_pools, shared_process_ids
from transforms.processors import available_processors

TIMINGS: Final = "timings.json"
_VERSION: Final = 1
_LOG = logging.getLogger(__name__)

#: Counters and distributions of docs/metrics.md that say how long stages took: title, count, sum, unit in seconds.
_STAGES: Final = (
    ("find and hash audio", ("IdentifyAudio", "rows_identified"), ("IdentifyAudio", "identify_msec"), 1e-3),
    ("decode, and wait for the model", ("DecodeAudio", "files"), ("DecodeAudio", "decode_msec"), 1e-3),
    (
        "model",
        ("EarmarkModelHandler", "num_inferences"),
        ("EarmarkModelHandler", "inference_batch_latency_micro_secs"),
        1e-6,
    ),
)
_AUDIO: Final = ("DecodeAudio", "decoded_audio_msec")


@dataclasses.dataclass(frozen=True, slots=True)
class Phase:
    """One part of a run in the launching process: seconds on the clock, and of processor time with ended children."""

    name: str
    wall_s: float
    cpu_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class StageTime:
    """What a stage counted over all its threads and processes, which work at the same time.

    Attributes
    ----------
    what
        Unit of ``count``: files or windows.
    """

    name: str
    what: str
    count: int
    total_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class RunTimings:
    """What a run took, up to the moment in which its page was written.

    Attributes
    ----------
    started_at
        ISO 8601, UTC.
    local
        Whether all its processes were on this machine: then ``phases`` hold all processor time that it took.
    processors
        Those that the launching process may use.
    audio_s
        Audio that was decoded and heard, in seconds; null when the engine does not say.
    """

    started_at: str
    local: bool
    processors: int
    phases: tuple[Phase, ...]
    stages: tuple[StageTime, ...] = ()
    audio_s: float | None = None

    @property
    def wall_s(self) -> float:
        """All phases."""
        return sum(phase.wall_s for phase in self.phases)

    @property
    def cpu_s(self) -> float:
        """All phases."""
        return sum(phase.cpu_s for phase in self.phases)

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready document."""
        return {"timings_version": _VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_text(cls, text: bytes) -> RunTimings | None:
        """Read what :meth:`to_json` gave; null when it is nothing of the kind."""
        try:
            document = json.loads(text)
            if document.pop("timings_version") != _VERSION:
                return None
            phases = tuple(Phase(str(p["name"]), float(p["wall_s"]), float(p["cpu_s"])) for p in document["phases"])
            stages = tuple(
                StageTime(str(s["name"]), str(s["what"]), int(s["count"]), float(s["total_s"]))
                for s in document["stages"]
            )
            audio_s = document["audio_s"]
            return cls(
                started_at=str(document["started_at"]),
                local=bool(document["local"]),
                processors=int(document["processors"]),
                phases=phases,
                stages=stages,
                audio_s=None if audio_s is None else float(audio_s),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class RunClock:
    """Times the parts of a run, one after another; starts when it is made."""

    def __init__(self) -> None:
        self._started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._wall_s, self._cpu_s = time.monotonic(), _cpu_s()
        self._phases: list[Phase] = []
        self._stages: tuple[StageTime, ...] = ()
        self._audio_s: float | None = None

    def lap(self, name: str) -> None:
        """End a part: everything since the last one."""
        if sys.platform != "linux":
            close_shared_pools()  # there a child's processor time is known when it has ended, and not before
        wall_s, cpu_s = time.monotonic(), _cpu_s()
        self._phases.append(Phase(name, round(wall_s - self._wall_s, 3), round(cpu_s - self._cpu_s, 3)))
        self._wall_s, self._cpu_s = wall_s, cpu_s

    def take_metrics(self, result: Any) -> None:
        """Take what the stages counted from the result of a Beam pipeline; engines that do not tell give none."""
        try:
            found = result.metrics().query()
        except Exception as error:  # engines raise what they like, and a run must not end over its timings
            _LOG.info("No metrics from the engine: %s", error)
            return
        sums: Counter[tuple[str, str]] = Counter()
        for kind in ("counters", "distributions"):
            for metric in found.get(kind, ()):
                value = metric.committed if metric.committed is not None else metric.attempted
                with contextlib.suppress(TypeError, ValueError):
                    sums[metric.key.metric.namespace, metric.key.metric.name] += int(getattr(value, "sum", value))
        self._stages = tuple(_stage_times(sums))
        self._audio_s = sums[_AUDIO] / 1000 if _AUDIO in sums else None

    def timings(self, local: bool) -> RunTimings:
        """Sum up."""
        return RunTimings(
            started_at=self._started_at,
            local=local,
            processors=available_processors(),
            phases=tuple(self._phases),
            stages=self._stages,
            audio_s=self._audio_s,
        )


def _stage_times(sums: Counter[tuple[str, str]]) -> Iterator[StageTime]:
    for name, count, total, unit_s in _STAGES:
        if total in sums:
            yield StageTime(
                name, "windows" if name == "model" else "files", sums[count], round(sums[total] * unit_s, 3)
            )


def _cpu_s() -> float:
    """Processor time of this process, of its children that have ended and of its decoders that run, in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(_cpu_s_of, shared_process_ids()))


def _cpu_s_of(pid: int) -> float:
    """Processor time of a running child, in seconds; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0
