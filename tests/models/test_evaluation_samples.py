"""Levels, fades, loops, mixes, loudness and codecs of the evaluation set do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from models.audio_decoding import decode_windows
from models.evaluation_samples import RATE_HZ, at_rms, faded, finished, in_room, looped, mixed, rms_db, stereo
from models.lossy_codecs import CODEC_SETTINGS, write_audio
from models.loudness import at_loudness, loudness_lufs
from models.window_records import DecodePlan

TIME_S = np.arange(2 * RATE_HZ) / RATE_HZ


def sine(pitch_hz, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * pitch_hz * TIME_S)


@pytest.mark.parametrize("ratio_db", [-12.0, 0.0, 6.0])
def test_mixes_have_the_ratio_that_is_asked_for(ratio_db):
    track = mixed(sine(500, 0.9), sine(2000, 0.01), ratio_db)
    power = np.abs(np.fft.rfft(track)) ** 2
    assert 10 * np.log10(power[1000] / power[4000]) == pytest.approx(ratio_db, abs=0.01)


def test_a_mono_sound_mixes_with_a_stereo_one():
    assert mixed(sine(500), stereo(sine(2000), sine(300), 0.5), 0.0).shape == (len(TIME_S), 2)


def test_loops_have_neither_gaps_nor_bumps():
    clip = np.random.default_rng(1).standard_normal(RATE_HZ // 2)
    bed = looped(clip, 10 * RATE_HZ, 0.1)
    assert len(bed) == 10 * RATE_HZ
    blocks = np.sqrt((bed.reshape(-1, RATE_HZ // 50) ** 2).mean(axis=1))
    assert blocks.min() > 0.8
    assert blocks.max() < 1.25
    step = len(clip) - round(0.1 * RATE_HZ)
    assert np.allclose(bed[:step], bed[step : 2 * step])
    assert np.array_equal(looped(clip, 100, 0.1), clip[:100])


def test_fades_begin_and_end_in_silence_and_leave_the_middle_alone():
    track = faded(np.ones((RATE_HZ, 2)), 0.2, 0.3)
    assert track[[0, -1]].max() < 1e-6
    assert (track[RATE_HZ // 4 : RATE_HZ // 2] == 1).all()
    assert (np.diff(track[: RATE_HZ // 5, 0]) > 0).all()


def test_a_room_rings_after_the_sound():
    knock = np.zeros(RATE_HZ)
    knock[0] = 1.0
    echoes = in_room(np.random.default_rng(1), knock, 0.5, -6.0)
    assert 10 * np.log10(np.sum(echoes[1:] ** 2)) == pytest.approx(-6, abs=0.5)
    assert rms_db(echoes[RATE_HZ // 3 :]) < rms_db(echoes[1 : RATE_HZ // 10]) - 20


def test_levels():
    assert rms_db(at_rms(sine(440), -33.0)) == pytest.approx(-33, abs=0.01)
    assert not at_rms(np.zeros(10)).any()
    for seed in range(20):
        track = finished(np.random.default_rng(seed), sine(440))
        assert -30.1 < rms_db(track) < -13.9
        assert np.abs(track).max() <= 0.98


@pytest.mark.parametrize("target_lufs", [-40.0, -23.0, -14.0, -6.0])
def test_loudness_is_reached_by_clipping_where_it_takes_that(target_lufs):
    rng = np.random.default_rng(1)
    music = stereo(sine(440, 0.1) * (1 + np.sin(4 * TIME_S)), 0.02 * rng.standard_normal(len(TIME_S)))
    track = at_loudness(music, target_lufs)
    assert loudness_lufs(track) == pytest.approx(target_lufs, abs=0.3)
    assert np.abs(track).max() <= 1
    assert (np.abs(track) == 1).any() == (target_lufs == -6)


def test_the_loudness_of_a_full_sine_is_the_standards():
    # BS.1770: 997 Hz at full scale in one channel reads -3.01 LUFS.
    assert loudness_lufs(sine(997, 1.0)) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("setting", CODEC_SETTINGS, ids=lambda setting: setting.name)
@pytest.mark.parametrize("channels", [1, 2])
def test_codecs_give_files_that_the_main_jobs_decoder_reads(tmp_path, setting, channels):
    tone = sine(1000, 0.3)
    path = tmp_path / f"track{setting.suffix}"
    write_audio(path, tone if channels == 1 else np.stack([tone, tone], axis=1), setting)
    windows = decode_windows(str(path), DecodePlan(coverage="full"))
    heard = next(windows)
    with pytest.raises(StopIteration) as end:
        next(windows)
    assert end.value.value.error_type is None
    assert end.value.value.duration_s == pytest.approx(2.0, abs=0.06)
    middle = heard.samples[8000:24_000]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    assert power.argmax() == 1000
    # LAME turns everything down by 5 % at the usual rates.
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.06)
    if setting.bitrate_kbps is not None and setting.codec == "mp3":
        assert path.stat().st_size * 8 / 2 == pytest.approx(setting.bitrate_kbps * 1000, rel=0.12)


def test_lossless_codecs_keep_every_sample(tmp_path):
    samples = np.round(np.random.default_rng(1).uniform(-1, 1, (70_000, 2)) * 32_000) / 32_768
    for setting in CODEC_SETTINGS:
        if setting.codec in ("flac", "wav"):
            write_audio(tmp_path / f"a{setting.suffix}", samples, setting)
            assert np.array_equal(soundfile.read(tmp_path / f"a{setting.suffix}")[0], samples)
