"""Copies of a recording are found whatever their codec, rate and level, and different recordings are told apart."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from models.corpus_copies import SAME_RECORDING, Heard, find_copies, fingerprint, likeness
from models.corpus_files import FileError, hear
from tests.audio_files import write_audio
from tests.models.tiny_packages import noise, song

SAMPLE = Path(__file__).parents[2] / "sample"
RATE_HZ = 16_000


def heard(samples, audio_sha256=None):
    sha256 = audio_sha256 or hashlib.sha256(samples.tobytes()).hexdigest()
    return Heard(sha256, samples.size / RATE_HZ, fingerprint(samples))


@pytest.fixture(scope="module")
def real_audio():
    """The beginnings of ten real tracks of the sample, mono at 16 kHz."""
    found = []
    for path in sorted(p for p in SAMPLE.rglob("*") if p.suffix in (".ogg", ".flac", ".wav", ".opus", ".mp3")):
        try:
            info = soundfile.info(path)
            samples, rate_hz = soundfile.read(path, frames=8 * info.samplerate, dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            continue
        mono = soxr.resample(samples.mean(1), rate_hz, RATE_HZ)
        if mono.size > 2 * RATE_HZ and np.abs(mono).max() > 0.01:
            found.append(mono)
    assert len(found) >= 10
    return found[:10]


def coded(tmp_path, samples, codec, rate_hz):
    """Encode and decode; the result begins where the codec makes it begin."""
    path = write_audio(tmp_path / "coded", soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, codec, 48_000)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE_HZ)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize(
    ("codec", "rate_hz", "gain"),
    [("mp3", 32_000, 0.3), ("opus", 48_000, 1.0), ("aac", 22_050, 0.8), ("wav8", 8000, 0.5)],
)
def test_real_tracks_in_another_codec_are_the_same(tmp_path, real_audio, codec, rate_hz, gain):
    for samples in real_audio[::3]:
        again = coded(tmp_path, gain * samples, codec, rate_hz)
        assert likeness(fingerprint(samples), fingerprint(again)) > SAME_RECORDING


def test_different_real_tracks_are_not(real_audio):
    prints = [fingerprint(samples) for samples in real_audio]
    assert max(likeness(one, other) for one, other in itertools.combinations(prints, 2)) < 0.6


def test_shifts_of_a_tenth_of_a_second_do_not_matter():
    samples = song(6.0)
    for shift in (160, 777, 1600):
        late = np.concatenate([np.zeros(shift, np.float32), samples])[: samples.size]
        assert likeness(fingerprint(samples), fingerprint(late)) > SAME_RECORDING
        assert likeness(fingerprint(late), fingerprint(samples)) > SAME_RECORDING


def test_nothing_is_said_of_what_does_not_move():
    tone = np.sin(np.arange(48_000) * 0.2).astype(np.float32)
    for samples in (tone, np.zeros(48_000, np.float32), song()[:2000]):
        assert likeness(fingerprint(samples), fingerprint(samples)) < SAME_RECORDING


def test_the_same_voices_and_noises_at_another_time_are_different():
    rng = np.random.default_rng(0)
    for make in (song, noise):
        prints = [fingerprint(make(3.0, seed=int(seed))) for seed in rng.integers(1000, 9999, 8)]
        assert max(likeness(one, other) for one, other in itertools.combinations(prints, 2)) < SAME_RECORDING


def test_the_first_is_kept_and_copies_of_copies_are_copies():
    samples = song(5.0)
    louder, other = np.clip(1.2 * samples, -1, 1), song(5.0, seed=7)
    recordings = [heard(other), heard(louder), heard(samples), heard(0.1 * samples), heard(noise(5.0, 3))]
    assert find_copies(recordings) == {2: 1, 3: 1}
    assert find_copies(recordings[::-1]) == {2: 1, 3: 1}


def test_equal_samples_are_copies_though_nothing_moves():
    silence = np.zeros(32_000, np.float32)
    assert find_copies([heard(silence), heard(silence), heard(silence[:-1])]) == {1: 0}


def test_another_length_is_another_recording():
    samples = song(8.0)
    assert find_copies([heard(samples), heard(samples[:-2500])]) == {}
    assert find_copies([heard(samples), heard(samples[:-2000])]) == {1: 0}


def test_no_recordings():
    assert find_copies([]) == {}


def test_what_is_heard_of_a_file(tmp_path):
    samples = song(20.0)
    stored = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", stored, RATE_HZ)
    soundfile.write(tmp_path / "a.flac", stored, RATE_HZ)
    one, other = hear(tmp_path / "a.wav", 20.0), hear(tmp_path / "a.flac", 20.0)
    assert one.duration_s == 20.0
    assert one.audio_sha256 == other.audio_sha256
    decoded = np.round(stored / 32768 * 32767).astype("<i2")
    assert one.audio_sha256 == hashlib.sha256(decoded.tobytes()).hexdigest()
    assert likeness(one.fingerprint, fingerprint(samples[: 15 * RATE_HZ])) > 0.99


def test_a_file_that_is_shorter_than_it_says_or_no_audio(tmp_path):
    soundfile.write(tmp_path / "a.wav", song(2.0), RATE_HZ)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:30_000])
    (tmp_path / "text.wav").write_bytes(b"no audio")
    with pytest.raises(FileError, match=r"only 0\.\d\d s"):
        hear(tmp_path / "cut.wav", 2.0)
    with pytest.raises(FileError):
        hear(tmp_path / "text.wav", 0.0)
