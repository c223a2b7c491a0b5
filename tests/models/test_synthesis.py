from __future__ import annotations

import numpy as np
import pytest

from models import synthesis, synthetic_music

COUNT = 32_000
VOICE = synthesis.levelled(np.random.default_rng(5).standard_normal(24_000) * np.hanning(24_000))


def generator(seed=0):
    return np.random.default_rng(seed)


MAKERS = {
    "noise": lambda rng: synthesis.moving_noise(rng, COUNT),
    "tone": lambda rng: synthesis.steady_tone(rng, COUNT),
    "machine": lambda rng: synthesis.machine(rng, COUNT),
    "vehicle": lambda rng: synthesis.vehicle(rng, COUNT),
    "aircraft": lambda rng: synthesis.aircraft(rng, COUNT),
    "crackle": lambda rng: synthesis.crackle(rng, COUNT),
    "clatter": lambda rng: synthesis.clatter(rng, COUNT),
    "held_chord": lambda rng: synthetic_music.held_chord(rng, COUNT),
    "bowls": lambda rng: synthetic_music.bowls(rng, COUNT),
    "drops": lambda rng: synthesis.drops(rng, COUNT),
    "insects": lambda rng: synthesis.insects(rng, COUNT),
    "taps": lambda rng: synthesis.taps(rng, COUNT),
    "melody": lambda rng: synthetic_music.melody(rng, COUNT),
    "drums": lambda rng: synthetic_music.drums(rng, COUNT),
    "drone": lambda rng: synthetic_music.drone(rng, COUNT),
    "sung_voice": lambda rng: synthetic_music.sung_voice(rng, VOICE, COUNT),
    "granulated": lambda rng: synthesis.granulated(rng, VOICE, COUNT),
    "stretched": lambda rng: synthetic_music.stretched(rng, VOICE, COUNT),
    "babble": lambda rng: synthesis.babble(rng, [VOICE, VOICE[:9000]], COUNT),
}


@pytest.mark.parametrize("name", MAKERS)
def test_each_sound_is_finite_levelled_and_repeatable(name):
    for seed in range(4):
        sound = MAKERS[name](generator(seed))
        assert sound.shape == (COUNT,)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.sqrt(np.mean(sound.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-3)
        np.testing.assert_array_equal(sound, MAKERS[name](generator(seed)))
    assert not np.array_equal(MAKERS[name](generator(1)), MAKERS[name](generator(2)))


@pytest.mark.parametrize("slope_db", [0.0, -3.0, -6.0])
def test_noise_has_the_slope_it_was_asked_for(slope_db):
    power = np.abs(np.fft.rfft(synthesis.coloured_noise(generator(), 160_000, slope_db))) ** 2
    hertz = np.arange(len(power)) / 10
    octave = [10 * np.log10(power[(hertz >= low) & (hertz < 2 * low)].mean()) for low in (250, 500, 1000, 2000)]
    np.testing.assert_allclose(np.diff(octave), slope_db, atol=0.5)


@pytest.mark.parametrize("length", [1, 800, 5000, 200_000])
def test_clips_of_any_length_become_beds(length):
    clip = generator().standard_normal(length).astype(np.float32)
    for made in (synthesis.granulated(generator(), clip, COUNT), synthetic_music.stretched(generator(), clip, COUNT)):
        assert made.shape == (COUNT,)
        assert np.isfinite(made).all()


@pytest.mark.parametrize("length", [1600, 5000, 80_000])
def test_speech_of_any_length_sings(length):
    sung = synthetic_music.sung_voice(generator(), generator().standard_normal(length).astype(np.float32), COUNT)
    assert sung.shape == (COUNT,)
    assert np.isfinite(sung).all()


def test_silence_stays_silence():
    assert not synthesis.levelled(np.zeros(100)).any()


def test_a_held_chord_has_pitches_that_are_no_octaves_of_each_other():
    for seed in range(8):
        power = np.abs(np.fft.rfft(synthetic_music.held_chord(generator(seed), 80_000) * np.hanning(80_000))) ** 2
        loudest_hz = np.argsort(power)[-40:] / 5
        ratios = np.log2(loudest_hz / loudest_hz.max()) % 1
        assert np.minimum(ratios, 1 - ratios).max() > 0.05
