"""Channel means of many frames together: the same samples as frame by frame, whatever changes between frames."""

from __future__ import annotations

import av
import numpy as np
import pytest

from models.audio_resampling import (
    FILTER_REACH,
    ChannelBalance,
    FrameJoiner,
    SpanResampler,
    channel_mean,
    resample_span,
    span_resampler,
)


def frames(count: int, size: int, sample_format: str, layout: str, rate_hz: int, seed: int) -> list[av.AudioFrame]:
    """Frames of noise, the last one shorter, with stamps that leave gaps."""
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        samples = size if index + 1 < count else size // 3
        channels = av.AudioLayout(layout).nb_channels
        shape = (channels, samples) if sample_format.endswith("p") else (1, channels * samples)
        noise = random.uniform(-1, 1, shape)
        plain = noise.astype(np.float32) if sample_format.startswith("flt") else (noise * 32_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(plain, sample_format, layout)
        frame.sample_rate, frame.pts = rate_hz, 3 * index * size
        made.append(frame)
    return made


@pytest.mark.parametrize("sample_format", ["fltp", "flt", "s16", "s16p"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_frames_that_are_joined_give_the_same_samples(sample_format: str, layout: str) -> None:
    given = frames(40, 1152, sample_format, layout, 44_100, seed=3)
    one_by_one = np.concatenate([channel_mean(frame) for frame in given])
    joiner = FrameJoiner(ChannelBalance())
    blocks = [block for frame in given for block in joiner.push(frame)]
    blocks += joiner.flush()
    assert 1 < len(blocks) < 8
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), one_by_one)
    assert {block.rate_hz for block in blocks} == {44_100}


def test_a_change_of_rate_channels_or_format_begins_anew() -> None:
    parts = [
        frames(2, 600, "fltp", "stereo", 44_100, seed=1),
        frames(2, 600, "fltp", "mono", 44_100, seed=2),  # fewer channels: none may be read that is not there
        frames(2, 600, "s16", "mono", 44_100, seed=3),
        frames(2, 600, "s16", "mono", 48_000, seed=4),
    ]
    joiner = FrameJoiner()
    blocks = [block for part in parts for frame in part for block in joiner.push(frame)]
    blocks += joiner.flush()
    expected = [np.concatenate([channel_mean(frame) for frame in part]) for part in parts]
    assert [block.rate_hz for block in blocks] == [44_100, 44_100, 44_100, 48_000]
    for block, samples in zip(blocks, expected, strict=True):
        assert np.array_equal(block.samples, samples)


def test_nothing_in_nothing_out() -> None:
    assert list(FrameJoiner().flush()) == []


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000, 96_000])
def test_one_resampler_for_all_spans_gives_the_same_as_one_for_each(rate_hz: int) -> None:
    random = np.random.default_rng(rate_hz)
    resample = SpanResampler(rate_hz, 16_000)
    for index in range(5):
        span = random.uniform(-1, 1, int(random.integers(rate_hz, 3 * rate_hz))).astype(np.float32)
        at_edge = index == 3
        alone, together = resample_span(span, rate_hz, 16_000), resample(span, at_edge)
        inner = slice(None) if at_edge else slice(FILTER_REACH, -FILTER_REACH)
        assert alone.shape == together.shape
        assert np.array_equal(alone[inner], together[inner])


def test_a_resampler_serves_one_track_after_another_and_none_that_broke_off() -> None:
    random = np.random.default_rng(5)
    spans = [random.uniform(-1, 1, 60_000).astype(np.float32) for _ in range(2)]
    alone = [resample_span(span, 44_100, 16_000)[FILTER_REACH:-FILTER_REACH] for span in spans]
    with span_resampler(44_100, 16_000) as first, span_resampler(44_100, 16_000) as other:
        assert first is not other  # two tracks at once
    lent = []
    for _ in range(2):
        with span_resampler(44_100, 16_000) as resample:
            lent.append(resample)
            for span, expected in zip(spans, alone, strict=True):
                assert np.array_equal(resample(span, at_edge=False)[FILTER_REACH:-FILTER_REACH], expected)
    assert lent[0] is lent[1]
    with pytest.raises(KeyError), span_resampler(44_100, 16_000) as broken:
        raise KeyError
    with span_resampler(44_100, 16_000) as next_one, span_resampler(44_100, 16_000) as and_another:
        assert broken not in (next_one, and_another)
