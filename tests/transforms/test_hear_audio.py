"""The rounds of decoding and classifying, with the shipped model, on the in-process runner."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.audio_windows import window_starts
from models.decision import DecisionSettings
from models.saved_model import check_model_folder, shipped_model_folder
from models.window_records import DecodePlan
from tests.audio_files import chirp, write_audio
from tests.transforms.kept_elements import run_and_keep
from transforms.audio_sources import AudioRoot
from transforms.decode_audio import DecodeRequest
from transforms.decoder_pool import DecodeSettings
from transforms.hear_audio import HearAudio
from transforms.model_inference import EarmarkModelHandler

PLAN = DecodePlan(sampled_windows=1, max_sampled_windows=9)
#: No label costs nothing, so with this no track but a short one is settled.
NEVER = DecisionSettings(settled_cost_share=0.0)


def hear(folder: Path, names: list[str], plan: DecodePlan, decision: DecisionSettings) -> tuple[dict[str, Any], Any]:
    model = shipped_model_folder()
    transform = HearAudio(
        AudioRoot(str(folder), check_sha256=False),
        DecodeSettings(processes=1, timeout_s=60, child_module="tests.transforms.faulty_decoder_child"),
        plan,
        EarmarkModelHandler(model),
        check_model_folder(model).calibration,
        decision,
        lambda _, elements: elements,
    )
    kept, result = run_and_keep(transform, [(name, DecodeRequest(name)) for name in names], "predictions", "summaries")
    return kept, result


def starts_of(kept: dict[str, Any], name: str) -> list[int]:
    return sorted(round(p.start_s * 16_000) for key, p in kept["predictions"] if key == name)


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
    kept, _ = hear(folder, ["noise.flac", "tone.flac"], PLAN, DecisionSettings(settled_cost_share=1.0))
    rounds = Counter(key for key, _ in kept["summaries"])
    assert rounds["noise.flac"] == 1
    assert rounds["tone.flac"] == 3
    assert starts_of(kept, "noise.flac") == window_starts(60 * 16_000, DecodePlan(sampled_windows=1))
    assert starts_of(kept, "tone.flac") == window_starts(60 * 16_000, DecodePlan(sampled_windows=9))


def test_every_round_adds_its_windows_to_those_before(folder: Path) -> None:
    kept, _ = hear(folder, ["noise.flac", "short.flac"], PLAN, NEVER)
    for name, rounds, windows in (("noise.flac", 3, 9), ("short.flac", 2, 3)):
        summaries = dict(summary for key, summary in kept["summaries"] if key == name)
        assert sorted(summaries) == list(range(rounds))
        assert sum(summary.windows for summary in summaries.values()) == windows == len(starts_of(kept, name))
        assert len({summary.duration_s for summary in summaries.values()}) == 1
    assert starts_of(kept, "short.flac") == [0, 80_000, 160_000]


@pytest.mark.parametrize(
    "change", [{"sampled_windows": 9}, {"max_sampled_windows": None}, {"coverage": "full"}], ids=str
)
def test_a_fixed_number_and_full_coverage_have_one_round(folder: Path, change: dict[str, Any]) -> None:
    plan = dataclasses.replace(PLAN, **change)
    kept, _ = hear(folder, ["noise.flac"], plan, NEVER)
    assert [index for _, (index, _) in kept["summaries"]] == [0]
    assert len(kept["predictions"]) == {"full": 12}.get(plan.coverage, plan.sampled_windows)
