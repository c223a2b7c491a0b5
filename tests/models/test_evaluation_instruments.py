"""The evaluation set's instruments, singers, drums and drones sound as they should, each seed in its own way."""

from __future__ import annotations

import numpy as np
import pytest

from models import evaluation_drones, evaluation_percussion, evaluation_scenes
from models.evaluation_instruments import INSTRUMENTS, solo
from models.evaluation_noise import white
from models.evaluation_samples import RATE_HZ, at_rms, rms_db
from models.evaluation_tunes import Note, tune
from models.evaluation_voice import sung


def strongest_near(samples, pitch_hz, share=0.06):
    """The frequency of the strongest partial near a pitch, and how far it stands out from the rest there, in dB."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 4 * RATE_HZ)) ** 2
    low, high = int(4 * pitch_hz * (1 - share)), int(4 * pitch_hz * (1 + share))
    band = power[low:high]
    return (low + int(band.argmax())) / 4, 10 * np.log10(band.max() / np.median(band))


@pytest.mark.parametrize("pitch_hz", [110.0, 329.6])
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_instruments_play_the_pitch_of_the_note(instrument, pitch_hz):
    sound = INSTRUMENTS[instrument][0](np.random.default_rng(1), Note(0.0, 1.0, pitch_hz, 0.8))
    wanted_hz = 4 * pitch_hz if instrument == "bells" else pitch_hz
    found_hz, stands_out_db = strongest_near(sound[:RATE_HZ], wanted_hz)
    assert found_hz == pytest.approx(wanted_hz, rel=0.012)
    assert stands_out_db > 15


def test_plucked_strings_die_away_and_bowed_ones_do_not():
    note = Note(0.0, 2.0, 220.0, 0.8)
    plucked, bowed = (INSTRUMENTS[name][0](np.random.default_rng(1), note) for name in ("plucked", "bowed"))
    early, late = slice(2000, 12_000), slice(70_000, 80_000)
    assert rms_db(plucked[late]) < rms_db(plucked[early]) - 12
    assert abs(rms_db(bowed[late]) - rms_db(bowed[early])) < 3


@pytest.mark.parametrize("broken_chords", [False, True])
def test_tunes_stay_in_a_key_and_come_again(broken_chords):
    for seed in range(6):
        notes = tune(np.random.default_rng(seed), 20.0, 220.0, 0.4, broken_chords)
        semitones = np.array([12 * np.log2(note.pitch_hz / 220) for note in notes])
        assert np.allclose(semitones, np.round(semitones), atol=1e-6)
        assert len(set(np.round(semitones) % 12)) <= 7
        assert max(note.start_s + note.length_s for note in notes) <= 20.001
        # A phrase of eight beats, 3.2 s, is played twice at first.
        for note in (note for note in notes if note.start_s < 3.2):
            assert any(
                abs(other.start_s - note.start_s - 3.2) < 0.06 and other.pitch_hz == note.pitch_hz for other in notes
            )


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_solos_have_pitch_structure_and_their_length(instrument):
    sound = solo(np.random.default_rng(3), 6.0, instrument)
    assert sound.shape == (6 * RATE_HZ,)
    assert np.isfinite(sound).all()
    assert evaluation_drones.flatness(sound) < evaluation_drones.PITCHED_FLATNESS


def test_singing_has_formants_and_pitch():
    for seed in range(2):
        sound, name = sung(np.random.default_rng(seed), 5.0)
        assert sound.shape == (5 * RATE_HZ,)
        assert name in ("solo_voice", "choir")
        assert evaluation_drones.flatness(sound) < evaluation_drones.PITCHED_FLATNESS
        power = np.abs(np.fft.rfft(sound)) ** 2
        bands = [power[5 * low : 5 * high].sum() for low, high in ((80, 1000), (1000, 4000), (5000, 20_000))]
        assert bands[0] > bands[1] > 20 * bands[2]


def test_grooves_come_round_in_time():
    sound, name = evaluation_percussion.groove(np.random.default_rng(2), 12.0)
    assert name
    strength = at_rms(np.abs(np.diff(np.cumsum(sound**2)[::441])))
    strength = strength - strength.mean()
    echo = np.correlate(strength, strength, "full")[len(strength) :] / np.sum(strength**2)
    # 16 steps of 0.1 to 0.19 s are a bar.
    assert echo[150:310].max() > 0.3


def test_struck_bodies_ring_at_their_modes():
    hit = evaluation_percussion.struck(np.random.default_rng(1), 400.0, evaluation_percussion.BAR, 1.0, knock=0.0)
    for ratio in evaluation_percussion.BAR[:2]:
        found_hz, stands_out_db = strongest_near(hit, ratio * 400)
        assert found_hz == pytest.approx(ratio * 400, abs=2)
        assert stands_out_db > 15


def test_pads_hold_pitches():
    track = evaluation_drones.granular_pad(np.random.default_rng(1), 8.0)
    assert track.shape == (8 * RATE_HZ, 2)
    assert evaluation_drones.flatness(track[:, 0]) < evaluation_drones.PITCHED_FLATNESS


def test_what_is_drawn_out_keeps_its_pitches_and_noise_has_none():
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    chord = np.sin(2 * np.pi * 220 * time_s) + np.sin(2 * np.pi * 330 * time_s)
    drone = evaluation_drones.drawn_out(np.random.default_rng(1), chord, 10 * RATE_HZ)
    assert drone.shape == (10 * RATE_HZ,)
    assert evaluation_drones.flatness(drone) < evaluation_drones.PITCHED_FLATNESS
    for pitch_hz in (220, 330):
        assert strongest_near(drone[RATE_HZ : 5 * RATE_HZ], pitch_hz)[0] == pytest.approx(pitch_hz, abs=2)
    assert evaluation_drones.flatness(white(np.random.default_rng(1), RATE_HZ)) > 0.5


@pytest.mark.parametrize("make", [evaluation_scenes.rain, evaluation_scenes.vinyl])
def test_rain_and_vinyl_are_broad_bands_without_pitch(make):
    for seed in range(2):
        track = make(np.random.default_rng(seed), 4 * RATE_HZ)
        assert track.shape == (4 * RATE_HZ, 2)
        assert rms_db(track) == pytest.approx(-20, abs=0.5)
        assert evaluation_drones.flatness(track[:, 0]) > evaluation_drones.PITCHED_FLATNESS


def test_scenes_hold_who_talks_and_what_plays():
    rng = np.random.default_rng(1)
    count = 5 * RATE_HZ
    voices = [rng.standard_normal(count) for _ in range(4)]
    assert evaluation_scenes.cafe_talk(rng, voices[:2], voices[2:], count).shape == (count, 2)
    melody = np.sin(2 * np.pi * 1000 * np.arange(count) / RATE_HZ)
    shop = evaluation_scenes.shop_music(rng, melody, voices, count)
    assert strongest_near(shop[:, 0], 1000)[0] == pytest.approx(1000, abs=1)
