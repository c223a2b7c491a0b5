"""Files that fail in a later round: labelled from what was heard before, for a person to listen to, and never lost."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from models.saved_model import check_model_folder, shipped_model_folder
from tests.audio_files import write_audio
from tests.transforms.kept_elements import counters_of, distributions_of, run_and_keep
from tests.transforms.test_hear_audio import NEVER, PLAN
from transforms.audio_sources import AudioRoot
from transforms.decoder_pool import DecodeSettings, close_shared_pools
from transforms.label_tracks import LabelSettings, LabelTracks, Lineage
from transforms.records import CatalogRow

#: Windows heard and cause left behind, by fault; 1 is what the first round hears, 2 more what the second one does.
FAULTS = {
    "latersegfault": (1, "decoder_crash"),
    "laterhalf": (2, "decoder_crash"),
    "latersleep": (1, "decode_timeout"),
    "laterbomb": (1, "decoder_out_of_memory"),
    "latergarbage": (1, "decoder_crash"),
    "latershort": (1, "truncated_audio"),
}


@pytest.fixture(scope="module", autouse=True)
def _pools() -> Iterator[None]:
    yield
    close_shared_pools()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Any]], Any]:
    folder = tmp_path_factory.mktemp("faults")
    noise = np.random.default_rng(3).normal(0, 0.1, 60 * 16_000).astype(np.float32)
    sound = write_audio(folder / "sound", noise, 16_000, "flac")
    for i, fault in enumerate(FAULTS):
        shutil.copy(sound, folder / f"{fault}-.flac")
        with (folder / f"{fault}-.flac").open("ab") as file:
            file.write(bytes(i + 1))  # other audio, as far as its sha256 knows
    model = shipped_model_folder()
    settings = LabelSettings(
        audio_root=AudioRoot(str(folder)),
        decode=DecodeSettings(
            processes=2, timeout_s=5, memory_limit_mb=128, child_module="tests.transforms.faulty_decoder_child"
        ),
        plan=PLAN,
        model_folder=model,
        calibration=check_model_folder(model).calibration,
        decision=NEVER,
        lineage=Lineage("run", datetime.date(2026, 1, 31), "model", "taxonomy"),
    )
    rows = [CatalogRow(track_id=name, audio_uri=f"{name}-.flac") for name in FAULTS]
    rows.append(CatalogRow(track_id="sound", audio_uri="sound.flac"))
    return run_and_keep(LabelTracks(settings), rows, "track_labels", "track_segments", "dead_letters", "labelled")


def test_no_track_is_lost(outcome: tuple[dict[str, list[Any]], Any]) -> None:
    kept, _ = outcome
    assert sorted(row["track_id"] for row in kept["track_labels"]) == sorted([*FAULTS, "sound"])
    assert len(kept["labelled"]) == len(FAULTS) + 1
    assert kept["dead_letters"] == []


def test_a_track_that_failed_is_labelled_from_what_was_heard_and_goes_to_a_person(
    outcome: tuple[dict[str, list[Any]], Any],
) -> None:
    labels = {row["track_id"]: row for row in outcome[0]["track_labels"]}
    for fault in FAULTS:
        label = labels[fault]
        assert (label["category"], label["functional_type"]) == ("functional", "noise")
        assert label["duration_s"] == 60.0
        assert label["decision"] == "review"
        assert {"truncated", "shorter_than_catalog"} <= set(label["flags"])
    assert "truncated" not in labels["sound"]["flags"]


def test_counters_tell_what_was_heard_and_what_failed(outcome: tuple[dict[str, list[Any]], Any]) -> None:
    _, result = outcome
    heard = distributions_of(result, "LabelTracks")["windows_per_audio"]
    assert (heard.count, heard.min, heard.max) == (len(FAULTS) + 1, 1, 9)
    assert heard.sum == 9 + sum(windows for windows, _ in FAULTS.values())
    counters = counters_of(result, "LabelTracks")
    assert (counters["audio_heard_in_2_rounds"], counters["audio_heard_in_3_rounds"]) == (len(FAULTS), 1)
    assert counters["audio_not_settled"] == len(FAULTS) + 1
    decoding = counters_of(result, "DecodeAudio")
    assert (decoding["files"], decoding["files_heard_again"]) == (len(FAULTS) + 1, len(FAULTS) + 2)
    errors = [error_type for _, error_type in FAULTS.values()]
    assert {name: n for name, n in decoding.items() if name.startswith("files_") and name != "files_heard_again"} == {
        f"files_{error_type}": errors.count(error_type) for error_type in errors
    }
