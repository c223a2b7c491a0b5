"""Audio whose content the classifier or the decision fails on: a dead letter each, and all others labelled."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.decision import DecisionSettings, decide_audio
from models.saved_model import check_model_folder, shipped_model_folder
from models.steady_tone import steady_tone_hz
from models.window_records import DecodePlan
from tests.audio_files import write_audio
from tests.transforms.kept_elements import counters_of, run_and_keep
from transforms.audio_sources import AudioRoot
from transforms.decoder_pool import DecodeSettings, close_shared_pools
from transforms.label_tracks import LabelSettings, LabelTracks, Lineage
from transforms.records import CatalogRow, ErrorType, Stage

#: Length of each file, in seconds, and so of its last window: what the failing parts know it by.
LENGTHS_S = {"fine": 4.0, "toneless": 3.0, "undecided": 2.0}


@pytest.fixture(autouse=True)
def _pools() -> Iterator[None]:
    yield
    close_shared_pools()


def test_an_audio_that_cannot_be_classified_is_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(samples: Any, rate_hz: int) -> float | None:
        return 1 / 0 if samples.size == LENGTHS_S["toneless"] * rate_hz else steady_tone_hz(samples, rate_hz)

    def decide(predictions: Any, summary: Any, *settings: Any) -> Any:
        if summary.duration_s == LENGTHS_S["undecided"]:
            raise IndexError(f"{tmp_path} is out of bounds")
        return decide_audio(predictions, summary, *settings)

    monkeypatch.setattr("transforms.model_inference.steady_tone_hz", search)
    monkeypatch.setattr("transforms.judge_audio.decide_audio", decide)
    noise = np.random.default_rng(3).normal(0, 0.1, 5 * 16_000).astype(np.float32)
    for name, length_s in LENGTHS_S.items():
        write_audio(tmp_path / name, noise[: round(length_s * 16_000)], 16_000, "flac")
    model = shipped_model_folder()
    settings = LabelSettings(
        audio_root=AudioRoot(str(tmp_path)),
        decode=DecodeSettings(processes=1),
        plan=DecodePlan(),
        model_folder=model,
        calibration=check_model_folder(model).calibration,
        decision=DecisionSettings(),
        lineage=Lineage("run", datetime.date(2026, 1, 31), "model", "taxonomy"),
        runtime="litert",
    )
    rows = [CatalogRow(track_id=name, audio_uri=f"{name}.flac") for name in LENGTHS_S]
    kept, result = run_and_keep(LabelTracks(settings), rows, "track_labels", "dead_letters")
    assert [row["track_id"] for row in kept["track_labels"]] == ["fine"]
    letters = {letter.track_id: letter for letter in kept["dead_letters"]}
    assert {name: letter.message for name, letter in letters.items()} == {
        "toneless": "The audio was decoded and could not be classified: ZeroDivisionError (division by zero).",
        "undecided": "The audio was decoded and could not be classified: IndexError (… is out of bounds).",
    }
    assert {(letter.stage, letter.error_type) for letter in letters.values()} == {
        (Stage.CLASSIFY, ErrorType.CLASSIFICATION_FAILED)
    }
    assert counters_of(result, "LabelTracks")["dead_letters_classification_failed"] == 2
