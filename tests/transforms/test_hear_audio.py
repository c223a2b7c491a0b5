"""The rounds of decoding and classifying, with the shipped model, on the in-process runner."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import numpy as np
import pytest

from models.audio_windows import window_starts
from models.decision import DecisionSettings
from models.saved_model import check_model_folder, shipped_model_folder
from models.window_records import DecodedWindow, DecodePlan, WindowPrediction
from tests.audio_files import chirp, write_audio
from tests.transforms.kept_elements import run_and_keep
from transforms.audio_sources import AudioRoot
from transforms.decode_audio import DecodeRequest
from transforms.decoder_pool import DecodeSettings
from transforms.hear_audio import HearAudio
from transforms.judge_audio import HeardAudio
from transforms.model_inference import EarmarkModelHandler

PLAN = DecodePlan(sampled_windows=1, max_sampled_windows=9)
#: No label costs nothing, so with this no track but a short one is settled.
NEVER = DecisionSettings(settled_cost_share=0.0)


class _Noting(EarmarkModelHandler):
    """Notes where the windows lie that it is given."""

    starts: ClassVar[list[int]] = []

    def run_inference(self, batch: Sequence[DecodedWindow], *arguments: Any) -> Iterable[WindowPrediction]:
        self.starts.extend(round(window.start_s * 16_000) for window in batch)
        return super().run_inference(batch, *arguments)


class _Named(beam.PTransform):
    """HearAudio, whose one output gets a name."""

    def __init__(self, transform: HearAudio) -> None:
        super().__init__()
        self._transform = transform

    def expand(self, audio: Any) -> dict[str, Any]:
        return {"heard": audio | self._transform}


def hear(
    folder: Path, names: list[str], plan: DecodePlan, decision: DecisionSettings
) -> tuple[dict[str, HeardAudio], list[int]]:
    """What is said of each file, and where the windows lie that the model was given, ascending."""
    model = shipped_model_folder()
    _Noting.starts.clear()
    transform = HearAudio(
        AudioRoot(str(folder), check_sha256=False),
        DecodeSettings(processes=1, timeout_s=60, child_module="tests.transforms.faulty_decoder_child"),
        plan,
        _Noting(model),
        check_model_folder(model).calibration,
        decision,
        lambda _, elements: elements,
    )
    kept, _ = run_and_keep(_Named(transform), [(name, DecodeRequest(name)) for name in names], "heard")
    assert sorted(name for name, _ in kept["heard"]) == sorted(names)
    return dict(kept["heard"]), sorted(_Noting.starts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracks")
    noise = np.random.default_rng(3).normal(0, 0.1, 60 * 16_000).astype(np.float32)
    write_audio(folder / "noise", noise, 16_000, "flac")
    # A tone in the middle, where the first round hears it; noise around it.
    tone = noise.copy()
    tone[26 * 16_000 : 34 * 16_000] = chirp(8, 16_000)
    write_audio(folder / "tone", tone, 16_000, "flac")
    write_audio(folder / "short", noise[: 12 * 16_000], 16_000, "flac")
    return folder


def test_what_is_settled_is_heard_once_and_what_is_not_up_to_the_bound(folder: Path) -> None:
    # However sure the shipped model is, noise is settled when acting on it costs less than a review.
    sure = DecisionSettings(settled_cost_share=1.0)
    heard, starts = hear(folder, ["noise.flac"], PLAN, sure)
    noise = heard["noise.flac"]
    assert (noise.rounds, noise.windows, noise.settled) == (1, 1, True)
    assert starts == window_starts(60 * 16_000, DecodePlan(sampled_windows=1))
    heard, starts = hear(folder, ["tone.flac"], PLAN, sure)
    tone = heard["tone.flac"]
    assert (tone.rounds, tone.windows, tone.settled) == (3, 9, False)
    assert starts == window_starts(60 * 16_000, DecodePlan(sampled_windows=9))


def test_every_round_adds_its_windows_to_those_before(folder: Path) -> None:
    heard, _ = hear(folder, ["noise.flac", "short.flac"], PLAN, NEVER)
    found = {name: (audio.rounds, audio.windows, audio.summary.windows) for name, audio in heard.items()}
    assert found == {"noise.flac": (3, 9, 9), "short.flac": (2, 3, 3)}
    assert (heard["noise.flac"].summary.duration_s, heard["short.flac"].summary.duration_s) == (60.0, 12.0)
    _, starts = hear(folder, ["short.flac"], PLAN, NEVER)
    assert starts == [0, 80_000, 160_000]


def test_the_decision_is_that_of_all_windows_at_once(folder: Path) -> None:
    """Whatever round a window was heard in."""
    in_rounds, _ = hear(folder, ["tone.flac"], PLAN, NEVER)
    at_once, _ = hear(folder, ["tone.flac"], DecodePlan(sampled_windows=9), NEVER)
    one, other = (heard["tone.flac"].decision for heard in (in_rounds, at_once))
    assert one is not None
    assert other is not None
    assert (one.category, one.flags, one.segments) == (other.category, other.flags, other.segments)
    assert np.array_equal(one.embedding, other.embedding)


@pytest.mark.parametrize(
    "change", [{"sampled_windows": 9}, {"max_sampled_windows": None}, {"coverage": "full"}], ids=str
)
def test_a_fixed_number_and_full_coverage_have_one_round(folder: Path, change: dict[str, Any]) -> None:
    plan = dataclasses.replace(PLAN, **change)
    heard, starts = hear(folder, ["noise.flac"], plan, NEVER)
    assert heard["noise.flac"].rounds == 1
    assert len(starts) == heard["noise.flac"].windows == {"full": 12}.get(plan.coverage, plan.sampled_windows)
