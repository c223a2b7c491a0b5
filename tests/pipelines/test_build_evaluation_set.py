"""The evaluation set is built from a tiny corpus: its parts, its manifest, its labels, and the same bytes again."""

from __future__ import annotations

import collections
import csv

import numpy as np
import pytest
import soundfile

from models.evaluation_parts import LOUDNESS_LEVELS_LUFS, MIX_LEVELS_DB
from models.evaluation_set import COLUMNS, PARTS
from models.labels_of_corpus import FUNCTIONAL_TYPE_OF_SUBTYPE, read_manifest
from models.lossy_codecs import CODEC_SETTINGS
from models.loudness import loudness_lufs
from pipelines.build_evaluation_set import run
from tests.models.tiny_corpus import write_corpus

#: Parts that take little time, with real and with synthetic sounds.
QUICK = ("short_cuts", "very_short_cuts", "noise", "silence", "tones", "percussion", "music_under_vinyl_0db")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def build(corpus, output, *flags):
    assert run(["--manifest", str(corpus), "--split", "dev", "--output", str(output), *flags]) == 0
    with (output / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "whole"
    return folder, build(corpus, folder, "--tracks", "1")


@pytest.fixture(scope="module")
def mixes(corpus, tmp_path_factory):
    return build(corpus, tmp_path_factory.mktemp("mixes"), "--parts", "mixes", "--tracks", "4")


def test_every_part_is_there_and_the_evaluation_can_read_the_manifest(whole):
    folder, rows = whole
    assert tuple(rows[0]) == COLUMNS
    slices = {row["slice"] for row in rows}
    assert set(PARTS) - {"noise"} <= slices
    assert {"noise_white", "noise_pink", "noise_brown"} <= slices
    recordings, _ = read_manifest(str(folder / "manifest.csv"), for_training=False)
    assert [r.subtype for r in recordings] == [row["subtype"] for row in rows]
    assert {r.split for r in recordings} == {"dev"}
    for recording in recordings:
        assert recording.label != "functional" or recording.subtype in FUNCTIONAL_TYPE_OF_SUBTYPE


def test_packages_tell_real_from_synthetic(whole):
    made = {"solo_instruments", "sung_voice", "percussion", "drones", "silence", "tones", "noise_white", "noise_pink"}
    for row in whole[1]:
        if row["slice"] in made:
            assert row["package"] == f"synthetic-{row['slice']}"
        elif not row["slice"].startswith("noise_"):
            assert row["package"] == f"dev-{row['label']}"
            assert "train" not in row["origin"]


def test_lengths_levels_and_rates(whole):
    folder, rows = whole
    lengths_s = {
        "short_cuts": (5, 10), "very_short_cuts": (2, 5), "mixes": (10, 20), "long_beds": (60, 180),
        "solo_instruments": (8, 30), "sung_voice": (8, 30), "percussion": (8, 30), "drones": (8, 30),
    }  # fmt: skip
    for row in rows:
        if row["codec"] != "flac":
            continue
        samples, rate_hz = soundfile.read(folder / row["path"], always_2d=True)
        low_s, high_s = lengths_s.get(row["slice"], (2, 60))
        assert low_s - 0.01 <= len(samples) / rate_hz <= high_s + 0.01
        assert rate_hz == 44_100
        if row["slice"] != "silence":
            assert -60 < 20 * np.log10(samples.std()) < -3
        if row["loudness_lufs"]:
            # Noise cannot be as loud as -6 LUFS in all cases; this one can.
            assert loudness_lufs(samples) == pytest.approx(float(row["loudness_lufs"]), abs=0.5)


def test_pairs_are_one_track_in_every_codec_and_at_every_loudness(whole):
    by_pair = collections.defaultdict(list)
    for row in whole[1]:
        if row["pair"]:
            by_pair[row["slice"]].append(row)
    assert len({row["pair"] for row in by_pair["codecs"]}) == 1
    assert [(r["codec"], r["bitrate_kbps"]) for r in by_pair["codecs"]] == [
        (s.codec, "" if s.bitrate_kbps is None else str(s.bitrate_kbps)) for s in CODEC_SETTINGS
    ]
    assert len(by_pair["codecs"]) == 8
    assert [float(row["loudness_lufs"]) for row in by_pair["loudness"]] == list(LOUDNESS_LEVELS_LUFS)


def test_mixes_are_labelled_by_the_rule(mixes):
    """Music under a bed is music when it is as loud, speech is speech when it is; below that, a person decides."""
    assert {float(row["mix_db"]) for row in mixes} == set(MIX_LEVELS_DB)
    labels = collections.Counter(row["label"] for row in mixes)
    assert min(labels[name] for name in ("music", "functional", "speech")) >= 3
    for row in mixes:
        argued = row["label"] != "functional" and float(row["mix_db"]) < 0
        assert row["expected_decision"] == ("review" if argued else "")


def test_scenes_go_to_a_person_and_music_under_noise_is_music(whole):
    for row in whole[1]:
        if row["slice"] in ("cafe_talk", "shop_music"):
            assert row["expected_decision"] == "review"
        elif row["slice"].startswith("music_under"):
            assert (row["label"], row["mix_db"], row["expected_decision"]) == ("music", "0", "")


def test_the_same_seed_gives_the_same_bytes_whatever_else_is_built(corpus, whole, tmp_path):
    folder, rows = whole
    again = build(corpus, tmp_path / "again", "--tracks", "1", "--parts", *reversed(QUICK))
    assert len(again) >= 12
    of_whole = {row["path"]: row for row in rows}
    for row in again:
        assert row == of_whole[row["path"]]
        assert (tmp_path / "again" / row["path"]).read_bytes() == (folder / row["path"]).read_bytes()


def test_another_seed_gives_other_sounds(corpus, whole, tmp_path):
    folder, _ = whole
    other = build(corpus, tmp_path / "other", "--tracks", "1", "--parts", "noise", "short_cuts", "--seed", "2")
    for row in other:
        assert (tmp_path / "other" / row["path"]).read_bytes() != (folder / row["path"]).read_bytes()
