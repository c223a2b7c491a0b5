from __future__ import annotations

import numpy as np
import pytest

from models import augmentation
from models.augmentation import UNDECIDED, mix_label


def generator(seed=0):
    return np.random.default_rng(seed)


def tone(hertz, count=32_000):
    return np.sin(2 * np.pi * hertz * np.arange(count) / 16_000).astype(np.float32)


@pytest.mark.parametrize(
    ("first", "second", "ratio_db", "category", "presence"),
    [
        ("music", "functional", 10.0, "music", {"music", "functional"}),
        ("music", "functional", 0.0, "music", {"music", "functional"}),
        ("music", "functional", -10.0, UNDECIDED, {"music", "functional"}),
        ("functional", "music", 24.0, "functional", {"functional"}),
        ("functional", "music", 0.0, "music", {"music", "functional"}),
        ("functional", "music", 8.0, UNDECIDED, {"music", "functional"}),
        ("speech", "music", -2.0, "speech", {"music", "speech"}),
        ("music", "speech", 2.0, "speech", {"music", "speech"}),
        ("music", "speech", 18.0, "music", {"music", "speech"}),
        ("speech", "functional", 5.0, "speech", {"functional", "speech"}),
        ("functional", "speech", 8.0, UNDECIDED, {"functional", "speech"}),
        ("functional", "speech", 18.0, "functional", {"functional", "speech"}),
        ("music", "music", 0.0, "music", {"music"}),
    ],
)
def test_label_of_a_mix(first, second, ratio_db, category, presence):
    label = mix_label(first, second, ratio_db)
    assert label.category == category
    assert label.presence == presence


@pytest.mark.parametrize("ratio_db", [-18.0, -5.0, 0.0, 5.0, 18.0])
def test_swapping_the_clips_changes_no_label(ratio_db):
    for first in ("music", "functional", "speech"):
        for second in ("music", "functional", "speech"):
            one, other = mix_label(first, second, ratio_db), mix_label(second, first, -ratio_db)
            assert (one.category, one.presence) == (other.category, other.presence)


def test_type_comes_from_the_clip_that_is_heard():
    assert mix_label("functional", "functional", 10.0).takes_type_of == 0
    assert mix_label("functional", "functional", -10.0).takes_type_of == 1
    assert mix_label("functional", "functional", 2.0).takes_type_of is None
    assert mix_label("functional", "music", 24.0).takes_type_of == 0
    assert mix_label("music", "functional", -24.0).takes_type_of == 1
    assert mix_label("music", "functional", 10.0).takes_type_of is None


def test_mixed_keeps_the_ratio():
    first, second = tone(440), tone(3000)
    spectrum = np.abs(np.fft.rfft(augmentation.mixed(first, second, 12.0)))
    assert 20 * np.log10(spectrum[880] / spectrum[6000]) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.45])
def test_speed_moves_pitch_and_length(speed):
    played = augmentation.at_speed(tone(500), speed)
    assert len(played) == int(32_000 / speed)
    peak = np.abs(np.fft.rfft(played)).argmax() * 16_000 / len(played)
    assert peak == pytest.approx(500 * speed, abs=1)


@pytest.mark.parametrize("length", [1, 1600, 80_000])
def test_coloured_and_damaged_keep_length_and_stay_finite(length):
    clip = generator().standard_normal(length).astype(np.float32)
    for seed in range(20):
        made = augmentation.damaged(generator(seed), augmentation.coloured(generator(seed), clip))
        assert made.shape == (length,)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()


def test_a_rooms_tail_does_not_come_round_to_the_start():
    clip = np.zeros(80_000, np.float32)
    clip[-100:] = 1.0
    early = [np.abs(augmentation.coloured(generator(seed), clip)[8000:60_000]).max() for seed in range(30)]
    assert max(early) < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_fades_go_one_way_and_keep_the_rest(seed):
    steady = np.ones(80_000, np.float32)
    faded = augmentation.faded(generator(seed), steady)
    steps = np.diff(faded)
    assert (steps <= 0).all() or (steps >= 0).all()
    assert 0 < faded.min() < faded.max() <= 1


def test_a_small_loudspeaker_gives_no_bass_and_no_treble():
    noise = generator().standard_normal(80_000).astype(np.float32)
    power = np.abs(np.fft.rfft(augmentation.loudspeaker(generator(1), noise))) ** 2
    middle = power[1000 * 5 : 2000 * 5].mean()
    assert power[20 * 5 : 50 * 5].mean() < 0.05 * middle
