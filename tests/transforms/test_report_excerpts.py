"""Excerpts of real tracks: where they begin, and that what is embedded is that part of the track."""

import base64
import hashlib
import io

import av
import numpy as np
import pytest
from PIL import Image

from tests.sample_run import SAMPLE
from tests.transforms.report_tables import label, segment
from transforms.audio_sources import AudioRoot
from transforms.decoder_pool import DecodeSettings
from transforms.report_excerpts import ExcerptSettings, excerpt_start_s, make_excerpts
from transforms.report_media import mp3_uri, spectrogram_uri

RATE = 24_000


def data_of(uri: str, kind: str) -> bytes:
    head, _, text = uri.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(text, validate=True)


def decoded(uri: str) -> np.ndarray:
    with av.open(io.BytesIO(data_of(uri, "audio/mpeg"))) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def tone(hz: float, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("spans", "wanted_s"),
    [
        ([(0, 60, "music", 0.9)], 25),  # the middle of all
        ([(0, 40, "music", 0.9), (40, 60, "speech", 0.99)], 45),  # what speaks against the label
        ([(0, 40, "music", 0.9), (40, 60, "music", 0.6)], 45),  # the least certain
        ([(0, 4, "speech", 0.6), (4, 60, "music", 0.9)], 0),  # not before the track
        ([(0, 56, "music", 0.9), (56, 60, "speech", 0.6)], 50),  # nor behind it
        ([], 0),
    ],
)
def test_an_excerpt_begins_where_the_doubt_is(spans, wanted_s):
    segments = [segment("t", start, end, category=name, confidence=p) for start, end, name, p in spans]
    assert excerpt_start_s(label("t", duration_s=60.0), segments, 10.0) == wanted_s


def test_a_track_shorter_than_an_excerpt_begins_at_its_begin():
    assert excerpt_start_s(label("t", duration_s=4.0), [segment("t", 0, 4)], 10.0) == 0


def test_excerpts_of_real_tracks():
    uris = ["audio/endgame/01-advanced-simulacra.opus", "audio/outdoors/06-embers.ogg"]
    labels = [
        label(uri, audio_uri=uri, audio_sha256=hashlib.sha256((SAMPLE / uri).read_bytes()).hexdigest()) for uri in uris
    ]
    settings = ExcerptSettings(AudioRoot(str(SAMPLE)), DecodeSettings(), 5.0, 60.0)
    song, embers = make_excerpts(labels, [20.0, 4.0], settings)
    assert (song.start_s, song.end_s, song.problem) == (20.0, 25.0, None)
    assert embers.start_s == 4.0
    assert 4.5 < embers.end_s < 8.9  # the track's end cuts it short
    samples = decoded(song.audio)
    assert samples.size == pytest.approx(5 * RATE, abs=2500)  # an encoder pads
    assert np.sqrt(np.mean(samples**2)) > 0.01
    picture = Image.open(io.BytesIO(data_of(song.picture, "image/webp")))
    assert picture.size == (640, 128)
    assert len(song.audio) + len(song.picture) < 90_000


def test_the_mp3_sounds_like_the_samples():
    heard = decoded(mp3_uri(tone(1000, 2), RATE))
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * RATE / heard.size == pytest.approx(1000, abs=2)


def test_a_picture_is_light_where_the_sound_is():
    samples = np.concatenate([tone(200, 1), tone(8000, 1)])
    picture = np.asarray(Image.open(io.BytesIO(data_of(spectrogram_uri(samples, RATE), "image/webp"))).convert("L"))
    low, high = int(128 * (1 - np.log(200 / 60) / np.log(200))), int(128 * (1 - np.log(8000 / 60) / np.log(200)))
    assert picture[low - 2 : low + 3, 60:260].max() > 150
    assert picture[low - 2 : low + 3, 380:580].max() < 80
    assert picture[high - 2 : high + 3, 380:580].max() > 150
    assert picture[high - 2 : high + 3, 60:260].max() < 80


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.zeros(1, np.float32), tone(440, 0.01)])
def test_silence_and_a_moment_have_a_picture_and_a_sound(samples):
    assert Image.open(io.BytesIO(data_of(spectrogram_uri(samples, RATE), "image/webp"))).size[1] == 128
    assert decoded(mp3_uri(samples, RATE)).size > 0
    if not samples.any():
        picture = Image.open(io.BytesIO(data_of(spectrogram_uri(samples, RATE), "image/webp"))).convert("L")
        assert np.asarray(picture).max() < 60
