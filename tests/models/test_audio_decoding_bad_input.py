"""Files that are empty, cut, forged or no audio at all: each is accounted for with a typed cause, and none raises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.window_records import DecodePlan
from tests.audio_files import chirp, remux, write_audio
from tests.models.test_audio_decoding import decode
from transforms.records import ErrorType

KNOWN = {kind.value for kind in ErrorType}
SAMPLED, FULL = DecodePlan(window_s=1.0), DecodePlan(window_s=1.0, coverage="full")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sounds")
    codecs = ("mp3", "m4a", "aac", "vorbis", "opus", "webm", "flac", "wav16", "wavfloat", "aiff")
    files = {}
    for codec in codecs:
        rate_hz = 48_000 if codec in ("opus", "webm") else 22_050
        files[codec] = write_audio(folder / codec, chirp(20, rate_hz), rate_hz, codec)
    files["fragmented"] = remux(files["m4a"], folder / "f.mp4", movflags="frag_keyframe+empty_moov")
    return {name: path.read_bytes() for name, path in files.items()}


def put(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("codec", ["mp3", "m4a", "vorbis", "opus", "webm", "flac", "wav16", "aiff", "fragmented"])
def test_any_cut_is_accounted_for(tmp_path: Path, sounds: dict[str, bytes], codec: str) -> None:
    data = sounds[codec]
    rng = np.random.default_rng(11)
    cuts = [*rng.integers(1, len(data), 6), *rng.integers(1, 3000, 4)]
    for i, cut in enumerate(int(cut) for cut in cuts):
        path = put(tmp_path, f"{i}.{codec}", data[:cut])
        for plan in (SAMPLED, FULL):
            windows, summary = decode(path, plan)
            assert summary.duration_s < 20.3
            assert str(tmp_path) not in str(summary.message)
            if windows:
                assert summary.error_type is None
                assert summary.duration_s >= 0.1
                assert all(np.isfinite(w.samples).all() and 0 < w.valid_samples <= 16_000 for w in windows)
                if summary.duration_s < 18.5:
                    assert summary.flags == ("truncated",), (codec, cut)
            else:
                assert summary.error_type in ("truncated_audio", "unreadable_audio"), (codec, cut)
                assert summary.error_type == "truncated_audio" or cut < 1000, (codec, cut)


@pytest.mark.parametrize("codec", ["mp3", "m4a", "aac", "vorbis", "opus", "webm", "flac", "wav16"])
def test_damage_inside_is_survived(tmp_path: Path, sounds: dict[str, bytes], codec: str) -> None:
    rng = np.random.default_rng(3)
    for i in range(3):
        data = bytearray(sounds[codec])
        for start in rng.integers(2000, len(data) - 2000, 4):
            data[start : start + 1000] = rng.bytes(1000)
        for plan in (SAMPLED, FULL):
            windows, summary = decode(put(tmp_path, f"{i}.{codec}", bytes(data)), plan)
            assert windows or summary.error_type in KNOWN
            assert summary.duration_s < 21
            assert all(np.isfinite(w.samples).all() for w in windows)


def test_an_empty_file(tmp_path: Path) -> None:
    _, summary = decode(put(tmp_path, "a.mp3", b""), SAMPLED)
    assert summary.error_type == "empty_audio"
    assert summary.message == "The file has 0 bytes."


@pytest.mark.parametrize("suffix", ["wav", "ogg", "aiff"])
def test_a_header_without_audio_is_empty(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.zeros(0, np.float32), 16_000)
    assert path.stat().st_size > 0
    for plan in (SAMPLED, FULL):
        assert decode(path, plan)[1].error_type == "empty_audio"


def test_a_header_alone_that_promises_audio_is_truncated(tmp_path: Path, sounds: dict[str, bytes]) -> None:
    for name, size in (("wav16", 44), ("flac", 42), ("aiff", 54), ("m4a", 5000), ("webm", 300)):
        _, summary = decode(put(tmp_path, f"a.{name}", sounds[name][:size]), SAMPLED)
        assert summary.error_type == "truncated_audio", name


@pytest.mark.parametrize("name", ["a.mp3", "a.aac", "a.wav", "a.ogg", "a.flac", "a.m4a", "a"])
@pytest.mark.parametrize("seed", [1, 3])
def test_random_bytes_are_no_audio(tmp_path: Path, name: str, seed: int) -> None:
    path = put(tmp_path, name, np.random.default_rng(seed).bytes(200_000))
    for plan in (SAMPLED, FULL):
        windows, summary = decode(path, plan)
        assert not windows
        assert summary.error_type == "unreadable_audio"


def test_text_zeros_and_pictures_are_no_audio(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(2000)
    for name, data in (("a.mp3", b"hello " * 999), ("b.mp3", bytes(99_999)), ("c.mp3", png), ("d.mp3", b"x")):
        _, summary = decode(put(tmp_path, name, data), SAMPLED)
        assert summary.error_type == "unreadable_audio"
        assert "libav" in str(summary.message)
        assert "libsndfile" in str(summary.message)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{url}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" '
    'bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "m3u": "#EXTM3U\n{url}\n",
    "cue": 'FILE "{url}" MP3\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_play_list_opens_nothing(tmp_path: Path, sounds: dict[str, bytes], kind: str) -> None:
    """The file it names is sound, and must not be read through it."""
    target = put(tmp_path, "target.mp3", sounds["mp3"])
    for suffix in ("mp3", "m3u8", "ffconcat", "mpd", "mp4", "sdp"):
        for url in (str(target), target.name):
            windows, summary = decode(put(tmp_path, f"list.{suffix}", PLAYLISTS[kind].format(url=url)), SAMPLED)
            assert not windows
            assert summary.error_type == "unreadable_audio"


def test_libav_would_follow_a_play_list_without_our_options(tmp_path: Path) -> None:
    """The test above can fail: with libav's own defaults the list does open the file."""
    import av

    target = write_audio(tmp_path / "target", chirp(9, 16_000), 16_000, "mp3")
    text = PLAYLISTS["ffconcat"].format(url=target.name)
    with av.open(str(put(tmp_path, "list.ffconcat", text))) as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp3")


def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    tone = chirp(20, 16_000)
    tone[1000:2000], tone[5000], tone[6000], tone[7000:8000] = np.nan, np.inf, -np.inf, 2.5
    path = tmp_path / "a.wav"
    soundfile.write(path, tone, 16_000, "FLOAT")
    windows, summary = decode(path, FULL)
    assert summary.flags == ("non_finite_samples",)
    assert not windows[0].samples[1000:2000].any()
    assert windows[0].samples[5000] == 0
    assert windows[0].samples[7500] == 2.5  # a little beyond full scale, as lossy coding is, stays
    for stereo_rate_hz in (16_000, 44_100):
        soundfile.write(path, np.stack([tone, tone], axis=1), stereo_rate_hz, "FLOAT")
        assert all(np.isfinite(w.samples).all() for w in decode(path, SAMPLED)[0])


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("scale", [2.0**15, 1e30])
def test_samples_far_above_full_scale_are_clipped_as_a_player_would(tmp_path: Path, scale: float, rate_hz: int) -> None:
    """Such as 16-bit integers that were stored as floating-point numbers."""
    path = tmp_path / "a.wav"
    soundfile.write(path, scale * chirp(20, rate_hz), rate_hz, "FLOAT")
    for plan in (FULL, SAMPLED):
        windows, summary = decode(path, plan)
        assert summary.flags == ("above_full_scale",)
        assert all(0.9 < np.abs(w.samples).max() < 1.5 for w in windows)


def test_values_at_the_end_of_the_float_range(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.tile([3e38, -3e38, 1e300], 20_000), 22_050, "DOUBLE")
    windows, summary = decode(path, FULL)
    assert all(np.isfinite(w.samples).all() for w in windows)
    assert "non_finite_samples" in summary.flags


def test_too_short_and_too_long(tmp_path: Path) -> None:
    short = write_audio(tmp_path / "short", chirp(0.05, 16_000), 16_000, "wav16")
    assert decode(short, SAMPLED)[1].error_type == "audio_too_short"
    assert decode(short, FULL)[1].error_type == "audio_too_short"
    long = write_audio(tmp_path / "long", chirp(30, 8_000), 8_000, "flac")
    for coverage in ("sampled", "full"):
        windows, summary = decode(long, DecodePlan(coverage=coverage, max_duration_s=20))
        assert (len(windows), summary.error_type) == (0, "audio_too_long")
        assert decode(long, DecodePlan(coverage=coverage, max_duration_s=31))[1].error_type is None


def test_too_long_though_the_header_does_not_say_so(tmp_path: Path, sounds: dict[str, bytes]) -> None:
    """A chain of Ogg files states no length as a whole."""
    path = put(tmp_path, "a.ogg", sounds["vorbis"] * 2)
    windows, summary = decode(path, DecodePlan(max_duration_s=30))
    assert (len(windows), summary.error_type) == (0, "audio_too_long")
    windows, summary = decode(path, DecodePlan(max_duration_s=30, coverage="full"))
    assert summary.error_type == "audio_too_long"
    assert len(windows) == 6  # what was given out before it was known stands


def test_a_header_that_promises_too_much_is_no_reason_to_refuse(tmp_path: Path, sounds: dict[str, bytes]) -> None:
    """A recorder that writes into a pipe cannot know the length: it states the largest there is."""
    data = bytearray(sounds["wav16"])
    at = data.index(b"data")
    data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    data[4:8] = b"\xff\xff\xff\xff"
    for plan in (SAMPLED, FULL):
        _, summary = decode(put(tmp_path, "a.wav", bytes(data)), plan)
        assert summary.error_type is None
        assert summary.duration_s == pytest.approx(20.0, abs=0.01)
        assert summary.flags == ()


def test_an_absurd_sample_rate_is_refused(tmp_path: Path) -> None:
    data = bytearray(write_audio(tmp_path / "a", chirp(3, 16_000), 16_000, "wav16").read_bytes())
    data[24:28] = (2_000_000_000).to_bytes(4, "little")
    _, summary = decode(put(tmp_path, "b.wav", bytes(data)), SAMPLED)
    assert summary.error_type == "unreadable_audio"
    assert "2000000000 Hz" in str(summary.message)


def test_digital_silence_and_offset(tmp_path: Path) -> None:
    for value in (0.0, 0.25):
        path = write_audio(tmp_path / f"{value}", np.full(16_000 * 6, value, np.float32), 16_000, "wav16")
        assert decode(path, FULL)[0][0].peak_dbfs == -200.0


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    _, summary = decode(tmp_path / "none.mp3", SAMPLED)
    assert summary.error_type == "unreadable_audio"
    assert str(tmp_path) not in str(summary.message)


def test_a_later_round_of_a_file_that_has_become_shorter(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "tone", chirp(3, 16_000), 16_000, "wav16")
    later = DecodePlan(window_s=1.0, starts=(1_000, 40_000, 80_000, 100_000))
    windows, summary = decode(path, later)
    assert [(w.start_s, w.valid_samples) for w in windows] == [(0.0625, 16_000), (2.5, 8_000)]
    assert (summary.windows, summary.error_type) == (2, None)
    windows, summary = decode(path, DecodePlan(window_s=1.0, starts=(80_000, 100_000)))
    assert (len(windows), summary.windows, summary.error_type) == (0, 0, "truncated_audio")
    assert "still to be heard" in str(summary.message)
