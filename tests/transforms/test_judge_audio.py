"""Predictions of one audio that come whole, in pieces, and with one lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from models.calibration import Calibration
from models.decision import DecisionSettings
from models.window_records import DecodePlan, DecodeSummary, WindowPrediction
from tests.models.test_decision import MUSIC, NOISE, window
from transforms.decode_audio import DecodeRequest
from transforms.judge_audio import APART, REQUESTS, HeardAudio, Judge, JudgePieces, JudgeWhole

END = DecodeRequest("a.wav"), DecodeSummary(3, 60.0)
WINDOWS = [window(5, MUSIC), window(25, MUSIC), window(45, MUSIC)]
JUDGE = Judge(DecodePlan(sampled_windows=3, max_sampled_windows=9), Calibration(), DecisionSettings())

Element = tuple[tuple[str, Any], WindowPrediction]


def elements(windows: Sequence[WindowPrediction], audio: str = "a") -> list[Element]:
    """As decoding and classifying give them: the end comes with the last."""
    return [((audio, END if one is windows[-1] else None), one) for one in windows]


def bundle(given: Sequence[Element]) -> Iterator[Any]:
    """What a bundle puts out, without the windows of Beam."""
    judge = JudgeWhole(JUDGE)
    judge.start_bundle()
    for element in given:
        yield from judge.process(element)
    yield from (type(output)(output.tag, output.value.value) for output in judge.finish_bundle())


def together(outputs: Sequence[Any]) -> list[Any]:
    """What is made of pieces of one audio."""
    assert {output.tag for output in outputs} == {APART}
    return list(JudgePieces(JUDGE).process(("a", [output.value[1] for output in outputs])))


def test_an_audio_that_comes_whole_is_judged_in_its_bundle() -> None:
    mixed = [one for pair in zip(elements(WINDOWS), elements(WINDOWS, "b"), strict=True) for one in pair]
    outputs = list(bundle(mixed))
    assert [audio for audio, _ in outputs] == ["a", "b"]
    for _, heard in outputs:
        assert isinstance(heard, HeardAudio)
        assert heard.decision is not None
        assert (heard.decision.category, heard.windows, heard.rounds, heard.settled) == ("music", 3, 1, True)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("cut", [1, 2])
def test_an_audio_in_pieces_is_judged_as_if_it_were_whole(order: tuple[int, ...], cut: int) -> None:
    """Where a runner puts stages apart, one window goes here and one there."""
    given = [elements(WINDOWS)[index] for index in order]
    pieces = [*bundle(given[:cut]), *bundle(given[cut:])]
    ((_, heard),) = together(pieces)
    ((_, whole),) = bundle(elements(WINDOWS))
    assert (heard.windows, heard.settled) == (whole.windows, whole.settled)
    assert heard.decision.segments == whole.decision.segments
    assert (heard.decision.embedding == whole.decision.embedding).all()


def test_the_order_of_windows_in_a_bundle_is_of_no_matter() -> None:
    ((_, heard),) = bundle(elements(WINDOWS)[::-1])
    assert heard.windows == 3


def test_a_doubtful_audio_in_pieces_asks_for_more_too() -> None:
    doubtful = elements([window(5, MUSIC), window(25, NOISE), window(45, MUSIC)])
    (whole,) = bundle(doubtful)
    (apart,) = together([*bundle(doubtful[:1]), *bundle(doubtful[1:])])
    assert whole.tag == apart.tag == REQUESTS
    assert whole.value[1].starts == apart.value[1].starts
    assert len(whole.value[1].starts) == 6


@pytest.mark.parametrize(
    "given",
    [
        elements(WINDOWS)[:2],  # the last was lost, and the end with it
        elements(WINDOWS)[1:],
        [*elements(WINDOWS), elements(WINDOWS)[0]],
        [*elements(WINDOWS)[:1], *elements(WINDOWS)[:1], *elements(WINDOWS)[1:], elements(WINDOWS)[2]],
    ],
    ids=["end lost", "lost", "doubled behind", "doubled"],
)
def test_a_window_that_was_lost_or_doubled_stops_the_run(given: list[Element]) -> None:
    apart = [output for output in bundle(given) if not isinstance(output, tuple)]
    with pytest.raises(RuntimeError, match="lost or doubled a window, so the run stops"):
        together(apart)


def test_an_audio_without_windows_is_judged_by_its_end() -> None:
    failed = DecodeSummary(0, 0.0, error_type="unreadable_audio", message="No decoder reads the file.")
    ((audio, heard),) = JUDGE.without_windows("a", (DecodeRequest("a.wav"), failed))
    assert (audio, heard.decision, heard.summary) == ("a", None, failed)
    assert list(JUDGE.without_windows("a", END)) == []
