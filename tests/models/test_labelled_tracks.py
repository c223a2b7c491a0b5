"""Labels as arrays: the rule on labels is the rule that made them."""

import numpy as np
import pytest

from models.calibration import Calibration
from models.decision import DecisionSettings, decide_audio
from models.errors import UserError
from models.labelled_tracks import labelled_tracks, reviewed, wrong_label_costs
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.window_records import DecodeSummary, WindowPrediction
from tests.models.labels_at_will import label_columns, sure

RULES = [
    DecisionSettings(),
    DecisionSettings(costs={"music_called_functional": 5, "review": 2}),
    DecisionSettings(max_music_in_functional=0.5, max_speech_in_functional=0.0),
    DecisionSettings(max_music_in_functional=1.0, max_speech_in_functional=1.0, min_dominant_share=0.0),
    DecisionSettings(min_dominant_share=0.9, min_confidence={"music": 0.6, "speech": 0.99}),
]


def random_tracks(count, seed=0):
    """Windows of tracks of every kind: sure and unsure, of one piece and mixed, silent and cut off."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        lean = rng.dirichlet([0.4, 0.4, 0.4])
        yield (
            [
                WindowPrediction(
                    5.0 * i, 5.0, float(rng.choice([-80.0, -10.0], p=[0.1, 0.9])),
                    rng.dirichlet(lean * rng.choice([5, 50]) + 1e-3).astype(np.float32),
                    rng.dirichlet(np.ones(len(FUNCTIONAL_TYPES))).astype(np.float32),
                    rng.random(3).astype(np.float32) ** 2, np.ones(4, np.float32),
                )
                for i in range(rng.integers(1, 7))
            ],
            ("truncated",) if rng.random() < 0.1 else (),
        )  # fmt: skip


@pytest.mark.parametrize("settings", RULES)
def test_the_rule_on_labels_is_the_decision_rule(settings):
    decisions = []
    for windows, flags in random_tracks(150):
        summary = DecodeSummary(len(windows), 5.0 * len(windows), flags=flags)
        decisions.append(decide_audio(windows, summary, Calibration(), settings))
    columns = label_columns(
        [("music", tuple(d.probabilities)) for d in decisions],
        flags=[list(d.flags) for d in decisions],
        **{f"{name}_fraction": [d.fractions[c] for d in decisions] for c, name in enumerate(CATEGORIES)},
    )
    tracks = labelled_tracks(columns, "labels")
    expected = [d.review for d in decisions]
    assert 10 < sum(expected) < 150
    assert reviewed(tracks, settings).tolist() == expected


def test_a_dominant_share_that_was_kept_can_be_judged_anew():
    columns = label_columns([("music", sure("music"))] * 3, dominant_share=[0.4, 0.6, 0.8])
    tracks = labelled_tracks(columns, "labels")
    for least, expected in ((0.0, [0, 0, 0]), (0.6, [1, 0, 0]), (0.7, [1, 1, 0])):
        assert reviewed(tracks, DecisionSettings(min_dominant_share=least)).tolist() == [bool(e) for e in expected]


def test_wrong_labels_cost_what_the_settings_say():
    rows = [("music", sure("functional")), ("music", sure("music")), ("speech", sure("functional"))]
    costs = wrong_label_costs(labelled_tracks(label_columns(rows), "labels"), DecisionSettings())
    assert costs.tolist() == [60, 0, 20]


def test_tracks_that_are_expected_in_review_are_left_out():
    columns = label_columns([("music", sure("music"))] * 3, expected_decision=[None, "review", None])
    assert len(labelled_tracks(columns, "labels")) == 2
    with pytest.raises(UserError, match="no track"):
        labelled_tracks({**columns, "expected_decision": ["review"] * 3}, "labels")
