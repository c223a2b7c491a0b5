"""The record and the page of an evaluation from labels that the test wrote, on real files."""

import json

import numpy as np
import pytest

from models.decision import DecisionSettings
from models.labels_of_corpus import Recording
from tests.audio_files import write_audio
from tests.evaluation_labels import HOSTILE, label, labelled
from transforms.evaluation import always_reviewed, compare_labels, evaluate
from transforms.evaluation_pictures import confusion_picture, map_picture
from transforms.evaluation_report import report_html

SETTINGS = DecisionSettings()
ABOUT = {
    "model": {"model_version": HOSTILE},
    "manifest_sha256": "0" * 64,
    "split": None,
    "coverage": "full",
    "mean_windows": None,
}


@pytest.fixture
def recordings(tmp_path):
    """Twelve recordings of one second; the second one becomes a dead letter."""
    tone = (0.1 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    path = str(write_audio(tmp_path / "tone", tone, 16_000, "wav16"))
    return [Recording(path, "music", HOSTILE, "dev", f"p{i % 3}") for i in range(12)]


def test_rows_come_back_in_the_manifests_order(recordings):
    rows = [label(str(i), "music", confidence=0.5 + i / 100) for i in (10, 0, 2, 11)]
    result = labelled(rows, windows=10)
    assert result.labels["track_id"].to_pylist() == ["0", "2", "10", "11"]
    assert result.embeddings[:, 0].tolist() == [1.0, 2.0, 0.0, 3.0]
    assert result.mean_windows == 2.5


def test_the_worst_are_those_acted_on_and_dear(recordings):
    rows = [
        label("0", "music"),
        label("2", "speech", confidence=0.99),
        label("3", "functional", decision="review"),
        label("4", "functional", confidence=0.6),
        label("5", "functional", confidence=0.95),
        label("10", "speech", decision="review", flags=["uncertain"]),
    ]
    worst = evaluate(recordings, labelled(rows), SETTINGS).record["worst"]
    assert [(w["label"], w["decision"], w["cost"]) for w in worst] == [
        ("functional", "auto", 60.0),
        ("functional", "auto", 60.0),
        ("speech", "auto", 10.0),
        ("functional", "review", 60.0),
        ("speech", "review", 10.0),
    ]
    assert worst[0]["probabilities"]["functional"] == 0.95
    assert worst[-1]["flags"] == ["uncertain"]


def test_rows_expected_in_review_are_in_no_other_figure(recordings):
    recordings[3] = Recording(*(getattr(recordings[3], f) for f in ("path", "label", "subtype", "split", "package")),
                              extra=(("expected_decision", "review"),))  # fmt: skip
    rows = [label("0", "music"), label("3", "functional", decision="review")]
    record = evaluate(recordings, labelled(rows), SETTINGS).record
    assert record["figures"]["all"]["tracks"] == 1
    assert record["figures"]["all"]["music_called_functional"]["value"] == 0
    assert record["worst"] == []
    assert record["expected_review"]["sent_to_review"]["value"] == 1


def test_only_tracks_that_both_models_labelled_are_compared(recordings):
    first = evaluate(recordings, labelled([label(i, "music") for i in ("0", "2", "10")]), SETTINGS)
    record, rows = compare_labels(first, labelled([label("10", "speech"), label("2", "music"), label("4", "music")]))
    assert record["tracks"] == 2
    assert rows["outcome"].to_pylist() == ["both right", "only the model right"]
    assert rows["baseline_category"].to_pylist() == ["music", "speech"]


def test_neighbours_are_of_other_packages_and_leave_out_what_is_to_be_reviewed(recordings):
    recordings[3] = Recording(*(getattr(recordings[3], f) for f in ("path", "label", "subtype", "split", "package")),
                              extra=(("expected_decision", "review"),))  # fmt: skip
    rows = [label(i, "music") for i in ("0", "2", "3", "4", "6")]
    near = evaluate(recordings, labelled(rows), SETTINGS).record["neighbours"]
    # Packages p0, p2, p1 and p0 are left, all of them music.
    assert (near["category"]["tracks"], near["category"]["packages"]) == (4, 3)
    assert near["categories"] == {"music": near["category"]}
    assert near["functional_type"]["tracks"] == 0


def test_hostile_words_are_text_in_the_page(recordings):
    rows = [label("0", "music"), label("2", "functional")]
    first = evaluate(recordings, labelled(rows), SETTINGS)
    comparison, _ = compare_labels(first, labelled(rows))
    record = ABOUT | first.record | {"comparison": {"baseline": {"model_version": HOSTILE}, **comparison}}
    json.dumps(record, allow_nan=False)
    page = report_html(record, first, SETTINGS)
    assert "onerror=alert(1)&gt;" in page
    assert "<img src=x" not in page


def test_flags_that_always_send_to_review():
    labels = labelled([
        label("0", "music", flags=["uncertain"]), label("1", "music", flags=["truncated", "uncertain"]),
        label("2", "functional", flags=["music_heard", "uncertain"]), label("3", "speech", flags=["music_heard"]),
    ]).labels  # fmt: skip
    assert always_reviewed(labels).tolist() == [False, True, True, False]


def test_pictures_are_the_same_every_time(recordings):
    result = evaluate(recordings, labelled([label(str(i), "music") for i in (0, 2, 3)]), SETTINGS)
    matrix = np.array([[3, 1], [0, 2]])
    for draw in (
        lambda: confusion_picture(matrix, ["a", "b"], ["a", "b"], "category"),
        lambda: map_picture(result.labelled.embeddings, result.tracks),
    ):
        assert draw() == draw()
