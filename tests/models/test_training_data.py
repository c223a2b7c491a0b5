from __future__ import annotations

import collections

import numpy as np
import pytest

from models.labels_of_corpus import Recording
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.training_config import DrawShares, PoolConfig
from models.training_data import WindowSource
from models.training_pool import teacher_segments

RECORDINGS = [
    Recording("a", "music", "pop", "train", "p1"),
    Recording("b", "functional", "rain", "train", "p2"),
    Recording("c", "functional", "sfx", "train", "p2"),
    Recording("d", "speech", "prompt", "train", "p3"),
    Recording("e", "functional", "silence", "train", "p2"),
    Recording("f", "functional", "drone_bed", "train", "p2"),
]
SECONDS = [30, 3, 0.4, 1.2, 5, 12]
AUDIO = [
    (np.random.default_rng(i).standard_normal(int(s * 16_000)) * (0 if i == 4 else 3000)).astype(np.int16)
    for i, s in enumerate(SECONDS)
]


def source(seed=1, **config):
    return WindowSource(RECORDINGS, AUDIO.__getitem__, PoolConfig(windows=64, **config), seed)


def only(**shares):
    return DrawShares(**(dict.fromkeys(DrawShares.model_fields, 0.0) | shares))


def test_windows_are_repeatable_and_differ():
    one, two, other = source().window(7), source().window(7), source().window(8)
    np.testing.assert_array_equal(one.samples, two.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_every_window_keeps_its_promises():
    counts = collections.Counter()
    drawn = source()
    for index in range(120):
        window = drawn.window(index)
        assert window.samples.shape == (80_000,)
        assert 0 < window.valid_samples <= 80_000
        assert not window.samples[window.valid_samples :].any()
        assert window.samples.any()
        assert -1 <= window.category < 3 and -1 <= window.functional_type < 8
        if window.functional_type >= 0:
            assert CATEGORIES[window.category] == "functional"
            assert FUNCTIONAL_TYPES[window.functional_type] != "silence"
        if window.category >= 0:
            assert window.presence[window.category]
        counts[window.category] += 1
    assert set(counts) == {-1, 0, 1, 2}


@pytest.mark.parametrize("kind", DrawShares.model_fields)
def test_each_kind_alone(kind):
    drawn = source(mixed_share=0.0, shares=only(**{kind: 1.0}))
    wanted = {"speech_recording": "speech", "functional_recording": "functional", "functional_synthetic": "functional"}
    wanted |= {"babble": "functional"}
    argued = {
        "bowls": {"music", "functional"},
        "shop_music": {"music", "functional"},
        "cafe_talk": {"functional", "speech"},
    }
    for index in range(6):
        window = drawn.window(index)
        heard = {category for category, there in zip(CATEGORIES, window.presence, strict=True) if there}
        if kind in argued:
            assert window.category == -1
            assert heard == argued[kind]
        else:
            assert CATEGORIES[window.category] == wanted.get(kind, "music")
            assert heard == {wanted.get(kind, "music")}


def test_what_one_may_argue_about_is_not_mixed_any_further():
    drawn = source(mixed_share=1.0, shares=only(cafe_talk=1.0))
    assert all(not drawn.window(index).presence[CATEGORIES.index("music")] for index in range(12))


def test_short_share():
    drawn = source(short_share=1.0, mixed_share=0.0, shares=only(music_recording=1.0))
    lengths = [drawn.window(index).valid_samples for index in range(30)]
    assert max(lengths) < 80_000
    assert min(lengths) >= 4700


def test_mixes_hear_both():
    drawn = source(mixed_share=1.0, shares=only(music_recording=1.0))
    assert {int(drawn.window(index).presence.sum()) for index in range(30)} == {1, 2}


def test_a_mix_of_two_categories_says_how_far_the_deciding_one_leads():
    drawn = source(mixed_share=1.0, shares=only(music_recording=1.0))
    for index in range(30):
        window = drawn.window(index)
        mixed = window.presence.sum() == 2
        assert np.isfinite(window.lead_db) or not mixed
        if window.category == CATEGORIES.index("music") and mixed and not window.presence[CATEGORIES.index("speech")]:
            assert window.lead_db >= -1


def test_teacher_patches_that_lie_in_the_audio():
    valid = teacher_segments(np.array([80_000, 1600, 15_600, 30_960, 30_959], np.int32))
    assert valid.sum(axis=1).tolist() == [5, 1, 1, 2, 1]
    assert valid[:, 0].all()
