"""Decoding of sound files in every promised codec, against the sound that was put in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from models.audio_decoding import decode_windows
from models.audio_windows import window_starts
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from tests.audio_files import CODECS, chirp, remux, write_audio

FULL = DecodePlan(coverage="full")
#: Short windows, so that a short file is long enough to seek in.
SHORT, SHORT_FULL = DecodePlan(window_s=0.5), DecodePlan(window_s=0.5, coverage="full")
#: Least ratio of the sound to what differs from it, in dB. The lossy encoders set theirs; 8 bits give 50 dB at most.
LEAST_SNR_DB = {"mp3": 15, "m4a": 14, "mp4": 14, "vorbis": 14, "opus": 20, "webm": 20, "wav8": 30}


def decode(path: Path, plan: DecodePlan) -> tuple[list[DecodedWindow], DecodeSummary]:
    windows: list[DecodedWindow] = []
    decoding = decode_windows(str(path), plan)
    while True:
        try:
            windows.append(next(decoding))
        except StopIteration as end:
            assert end.value.windows == len(windows)
            return windows, end.value


def joined(windows: list[DecodedWindow]) -> npt.NDArray[np.float32]:
    return np.concatenate([window.samples[: window.valid_samples] for window in windows])


def snr_db(reference: npt.NDArray[np.float32], found: npt.NDArray[np.float32]) -> float:
    error = float(np.mean((reference.astype(np.float64) - found) ** 2))
    return 10 * float(np.log10(max(float(np.mean(reference.astype(np.float64) ** 2)), 1e-20) / max(error, 1e-20)))


CASES = [
    *[(codec, 44_100, 2) for codec in CODECS if codec not in ("opus", "webm", "aac")],
    *[(codec, 48_000, 1) for codec in ("mp3", "m4a", "opus", "webm", "vorbis", "flac24", "wavfloat")],
    *[(codec, 48_000, 6) for codec in ("m4a", "opus", "flac", "wav16", "vorbis")],
    *[(codec, rate_hz, 1) for codec in ("wav24", "flac", "m4a", "vorbis") for rate_hz in (8_000, 22_050, 96_000)],
    *[("wav16", rate_hz, 2) for rate_hz in (11_025, 12_000, 16_000, 32_000, 88_200, 44_056)],
]


@pytest.mark.parametrize(("codec", "rate_hz", "channels"), CASES)
def test_sound_comes_out_as_it_went_in(tmp_path: Path, codec: str, rate_hz: int, channels: int) -> None:
    """Level, timing and frequency at once: the difference to the same chirp made at 16 kHz is small.

    The channels differ in level, so that a downmix by anything but their mean shows.
    """
    seconds = 3.0
    gains = np.linspace(1.0, 0.5, channels) if channels > 1 else np.ones(1)
    signal = np.outer(gains, chirp(seconds, rate_hz)).astype(np.float32)
    path = write_audio(tmp_path / "chirp", signal, rate_hz, codec, 64_000 * channels if codec == "m4a" else None)
    windows, summary = decode(path, DecodePlan(window_s=2.0, coverage="full"))
    assert summary.error_type is None
    assert summary.flags == ()
    assert abs(summary.duration_s - seconds) < (0.2 if CODECS[codec].encoder == "aac" else 0.05)
    assert [w.start_s for w in windows] == [0.0, 2.0]
    assert all(w.samples.shape == (32_000,) and w.samples.dtype == np.float32 for w in windows)
    reference = chirp(seconds, 16_000) * np.float32(gains.mean())
    middle = slice(4_000, 44_000)
    least_db = LEAST_SNR_DB.get(codec, 60)
    assert snr_db(reference[middle], joined(windows)[middle]) > least_db
    level = float(np.std(joined(windows)[middle]) / np.std(reference[middle]))
    # Lossy encoders take some off, above all from the low-frequency channel of 5.1.
    assert 0.8 < level < 1.05
    if CODECS[codec].lossless:
        assert level == pytest.approx(1.0, abs=0.01)
        assert windows[0].peak_dbfs == pytest.approx(20 * np.log10(0.4 * gains.mean()), abs=0.2)


@pytest.mark.parametrize("codec", ["wav16", "flac", "wav24"])
@pytest.mark.parametrize("plan", [FULL, SHORT])
def test_stereo_with_opposite_channels_is_silent_and_says_so(tmp_path: Path, codec: str, plan: DecodePlan) -> None:
    tone = chirp(12, 44_100)
    path = write_audio(tmp_path / "opposite", np.stack([tone, -tone]), 44_100, codec)
    windows, summary = decode(path, plan)
    assert windows[0].peak_dbfs < -80
    assert summary.flags == ("channels_cancel",)


@pytest.mark.parametrize("right", [1.0, 0.0, -0.7])
def test_channels_that_only_differ_do_not_cancel(tmp_path: Path, right: float) -> None:
    tone = chirp(3, 44_100)
    path = write_audio(tmp_path / "wide", np.stack([tone, right * tone]), 44_100, "wav16")
    assert decode(path, FULL)[1].flags == ()


@pytest.mark.parametrize("codec", ["mp3", "m4a", "aac", "alac", "vorbis", "opus", "webm", "flac", "wav24", "aiff"])
def test_sampled_windows_equal_the_same_spans_of_full_decoding(tmp_path: Path, codec: str) -> None:
    rate_hz = 48_000 if codec in ("opus", "webm") else 44_100
    # Not noise: AAC decoders fill in noise of their own, other at each start.
    path = write_audio(tmp_path / "chirp", chirp(10, rate_hz), rate_hz, codec)
    windows, summary = decode(path, SHORT)  # 10 s is more than twice the sampled time: it seeks
    full_windows, full = decode(path, SHORT_FULL)
    whole = joined(full_windows)
    assert summary.duration_s == pytest.approx(full.duration_s, abs=2e-3)
    assert len(windows) == 6
    for i, window in enumerate(windows):
        assert window.start_s == pytest.approx((2 * i + 1) * summary.duration_s / 12 - 0.25, abs=1e-3)
        assert window.valid_samples == 8_000
        start = round(window.start_s * 16_000)
        assert snr_db(whole[start : start + 8_000], window.samples) > 60


def counted_samples(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets the number of samples of each run of frames that is decoded from now on."""
    from models import audio_resampling

    seen: list[int] = []
    plain = audio_resampling.channel_mean

    def counting(frame: object, balance: object) -> npt.NDArray[np.float32]:
        samples = plain(frame, balance)
        seen.append(samples.size)
        return samples

    monkeypatch.setattr(audio_resampling, "channel_mean", counting)
    return seen


def test_sampled_coverage_reads_a_small_part_of_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audio(tmp_path / "long", chirp(100, 8_000), 8_000, "mp3")
    seen = counted_samples(monkeypatch)
    windows, _ = decode(path, SHORT)
    assert len(windows) == 6
    assert sum(seen) < 12 * 8_000


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.15, [(0.0, 0.15)]),
        (3.0, [(0.0, 3.0)]),
        (5.0, [(0.0, 5.0)]),
        (5.05, [(0.0, 5.0)]),
        (12.5, [(0.0, 5.0), (5.0, 5.0), (10.0, 2.5)]),
        (30.0, [(5.0 * i, 5.0) for i in range(6)]),
        (36.0, [(0.5 + 6.0 * i, 5.0) for i in range(6)]),
        (120.0, [(7.5 + 20.0 * i, 5.0) for i in range(6)]),
    ],
)
def test_where_sampled_windows_lie(tmp_path: Path, seconds: float, expected: list[tuple[float, float]]) -> None:
    path = write_audio(tmp_path / "tone", chirp(seconds, 16_000), 16_000, "wav16")
    windows, summary = decode(path, DecodePlan())
    assert [(w.start_s, w.valid_samples / 16_000) for w in windows] == expected
    assert summary.duration_s == seconds
    assert all(not w.samples[w.valid_samples :].any() for w in windows)


def test_full_coverage_is_back_to_back(tmp_path: Path) -> None:
    tone = chirp(23.3, 16_000)
    windows, summary = decode(write_audio(tmp_path / "tone", tone, 16_000, "wavfloat"), FULL)
    assert [w.start_s for w in windows] == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert windows[-1].valid_samples == round(3.3 * 16_000)
    assert np.array_equal(joined(windows), tone)
    assert summary.duration_s == 23.3


def test_mp3_of_variable_rate_without_a_header(tmp_path: Path) -> None:
    """libav guesses the length of such a file from its first frames: silence, then noise, misleads it."""
    noise = np.random.default_rng(1).normal(0, 0.2, 20 * 22_050).astype(np.float32)
    sound = np.concatenate([np.zeros(20 * 22_050, np.float32), noise])
    with_header = tmp_path / "vbr.mp3"
    _write_vbr(with_header, sound)
    path = remux(with_header, tmp_path / "bare.mp3", write_xing="0")
    windows, summary = decode(path, SHORT)
    assert summary.duration_s == pytest.approx(40.0, abs=0.2)
    assert summary.declared_duration_s is None
    assert summary.flags == ()
    assert [w.peak_dbfs > -40 for w in windows] == [False] * 3 + [True] * 3


def _write_vbr(path: Path, sound: npt.NDArray[np.float32]) -> None:
    with soundfile.SoundFile(
        path, "w", 22_050, 1, "MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5
    ) as out:
        out.write(sound)


def test_chain_of_ogg_streams(tmp_path: Path) -> None:
    parts = [
        write_audio(tmp_path / f"{i}", chirp(10, rate_hz, 0.1 + 0.2 * i), rate_hz, "vorbis")
        for i, rate_hz in enumerate((16_000, 22_050))
    ]
    chain = tmp_path / "chain.ogg"
    chain.write_bytes(b"".join(part.read_bytes() for part in parts))
    windows, summary = decode(chain, SHORT)
    assert summary.duration_s == pytest.approx(20.0, abs=0.01)
    assert summary.flags == ()
    assert [round(10 ** (w.peak_dbfs / 20), 1) for w in windows] == [0.1] * 3 + [0.3] * 3


def test_two_mp3_files_in_one(tmp_path: Path) -> None:
    part = write_audio(tmp_path / "part", chirp(15, 16_000), 16_000, "mp3")
    both = tmp_path / "both.mp3"
    both.write_bytes(part.read_bytes() * 2)
    windows, summary = decode(both, SHORT)
    assert summary.duration_s == pytest.approx(30.0, abs=0.3)
    assert summary.declared_duration_s == pytest.approx(15.0, abs=0.2)
    assert windows[-1].start_s > 25


def test_fragmented_mp4_and_matroska_with_aac(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "tone", chirp(15, 44_100), 44_100, "m4a")
    for name, options in (("f.mp4", {"movflags": "frag_keyframe+empty_moov"}), ("m.mkv", {})):
        windows, summary = decode(remux(source, tmp_path / name, **options), SHORT)
        assert summary.duration_s == pytest.approx(15.0, abs=0.1)
        whole = joined(decode(tmp_path / name, SHORT_FULL)[0])
        start = round(windows[3].start_s * 16_000)
        assert snr_db(whole[start : start + 8_000], windows[3].samples) > 10  # Matroska tells time in milliseconds


def test_the_second_decoder_reads_what_the_first_does_not(tmp_path: Path) -> None:
    path = tmp_path / "tone.voc"
    soundfile.write(path, chirp(12, 16_000), 16_000, format="VOC")
    windows, summary = decode(path, DecodePlan())
    assert summary.flags == ("decoded_by_fallback",)
    assert summary.error_type is None
    assert [w.start_s for w in windows] == [0.0, 5.0, 10.0]
    assert snr_db(chirp(12, 16_000)[:80_000], windows[0].samples) > 60


def test_same_file_same_windows(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "tone", chirp(15, 44_100), 44_100, "mp3")
    first, second = decode(path, SHORT), decode(path, SHORT)
    assert first[1] == second[1]
    assert [w.samples.tobytes() for w in first[0]] == [w.samples.tobytes() for w in second[0]]


def test_long_file_in_bounded_memory(tmp_path: Path) -> None:
    """An hour, in a process of its own so that the highest memory use is its own."""
    import subprocess
    import sys

    minute = write_audio(tmp_path / "minute", chirp(60, 8_000), 8_000, "mp3", 8_000)
    path = remux(minute, tmp_path / "hour.mp3", repeat=60)
    code = (
        "import sys; from models.audio_decoding import decode_windows; from models.window_records import DecodePlan\n"
        "def status(): return dict(line.split()[:2] for line in open('/proc/self/status') if line.startswith('Vm'))\n"
        "idle = int(status()['VmRSS:'])\n"
        "count = sum(1 for _ in decode_windows(sys.argv[1], DecodePlan(coverage='full')))\n"
        "print(count, (int(status()['VmHWM:']) - idle) // 1024)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, check=True)
    count, grown_mib = (int(word) for word in done.stdout.split())
    assert count == pytest.approx(722, abs=4)
    assert grown_mib < 60


@pytest.mark.parametrize("codec", ["mp3", "m4a", "vorbis", "opus", "wav16"])
@pytest.mark.parametrize("seconds", [6, 13])
def test_a_later_round_hears_the_windows_between(tmp_path: Path, codec: str, seconds: int) -> None:
    """Of 6 s the second round decodes all, of 13 s it seeks as the first one does; both measure the same."""
    rate_hz = 48_000 if codec == "opus" else 22_050
    path = write_audio(tmp_path / "chirp", chirp(seconds, rate_hz), rate_hz, codec)
    plan = DecodePlan(window_s=0.5, sampled_windows=3, max_sampled_windows=9)
    first, summary = decode(path, plan)
    starts = tuple(window_starts(round(summary.duration_s * 16_000), plan, 1))
    later, again = decode(path, dataclasses.replace(plan, starts=starts))
    assert [round(w.start_s * 16_000) for w in later] == list(starts)
    assert (again.windows, again.flags, again.error_type) == (6, (), None)
    assert again.duration_s == pytest.approx(summary.duration_s, abs=2e-3)
    whole = joined(decode(path, SHORT_FULL)[0])
    for window in (*first, *later):
        start = round(window.start_s * 16_000)
        assert window.valid_samples == 8_000
        assert snr_db(whole[start : start + 8_000], window.samples) > 60


def test_a_later_round_seeks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audio(tmp_path / "long", chirp(100, 8_000), 8_000, "mp3")
    plan = DecodePlan(window_s=0.5, sampled_windows=3, max_sampled_windows=9)
    starts = tuple(window_starts(100 * 16_000, plan, 1))
    seen = counted_samples(monkeypatch)
    windows, _ = decode(path, dataclasses.replace(plan, starts=starts))
    assert len(windows) == 6
    assert sum(seen) < 12 * 8_000
