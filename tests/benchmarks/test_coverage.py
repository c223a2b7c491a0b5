"""The benchmark of coverage labels real tracks under its settings as the main job does."""

from __future__ import annotations

import pathlib

from benchmarks.coverage import figures, measure, settings_of
from models.saved_model import shipped_model_folder
from pipelines.job_config import load_config

AUDIO = pathlib.Path(__file__).parents[2] / "sample" / "audio"


def test_settings_hear_as_many_windows_as_they_say() -> None:
    paths = [str(AUDIO / "toolkit/12-a440.wav"), str(AUDIO / "piano/04-enigma-rag.m4a")]
    settings = settings_of(load_config(None), [])
    labels = {}
    for name in ("1 window", "full"):
        labels[name], cost = measure(paths, str(AUDIO), shipped_model_folder(), settings[name])
        assert cost["processor_s"] > 0
    assert [label["category"] for label in labels["1 window"]] == ["functional", "music"]
    assert [label["windows"] for label in labels["1 window"]] == [1, 1]
    assert labels["full"][1]["windows"] > 3
    told = figures(labels["1 window"], labels["full"], ["functional", "music"], 1.0)
    assert told["not_labelled"] == 0
    assert told["category_unlike_full"] == 0
