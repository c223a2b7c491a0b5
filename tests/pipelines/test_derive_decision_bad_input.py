"""Wrong arguments of the derivation: exit status 2, one sentence, nothing written."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.command_line import exit_status
from pipelines.derive_decision import run
from tests.models.labels_at_will import label_columns, sure


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Labels good and bad, by name."""
    folder = tmp_path_factory.mktemp("derivation")
    good = label_columns([(name, sure(name)) for name in ("music", "functional", "speech")] * 4)
    tables = {
        "good": good,
        "no-package": {name: values for name, values in good.items() if name != "package"},
        "no-duration": {name: values for name, values in good.items() if name != "duration_s"},
        "two-models": {**good, "model_version": ["a", "b"] * 6},
        "noise": {**good, "true_category": ["noise"] * 12},
        "one-package": {**good, "package": ["p"] * 12},
        "null-category": {**good, "true_category": [None, *good["true_category"][1:]]},
        "null-p": {**good, "p_music": [None, *good["p_music"][1:]]},
        "nan-p": {**good, "p_music": [float("nan"), *good["p_music"][1:]]},
        "text-p": {**good, "p_speech": ["0.5"] * 12},
        "text-duration": {**good, "duration_s": ["30"] * 12},
        "null-duration": {**good, "duration_s": [None] * 12},
        "null-version": {**good, "model_version": ["a", None] * 6},
        "steering-versions": {**good, "model_version": ["a\x1b[2J\nearmark: published", "b"] * 6},
        "null-package": {**good, "package": [None] * 12},
        "null-flags": {**good, "flags": [None, *good["flags"][1:]]},
        "null-flag": {**good, "flags": [[None], *good["flags"][1:]]},
        "text-flags": {**good, "flags": ["uncertain"] * 12},
        "text-share": {**good, "dominant_share": ["1"] * 12},
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    (folder / "text.parquet").write_text("no parquet")
    whole = (folder / "good.parquet").read_bytes()
    (folder / "damaged.parquet").write_bytes(whole[:4] + b"?" * 200 + whole[204:])
    (folder / "costs.yaml").write_text("decision: {costs: {review: 0}}\n")
    return folder


OUT = ["--output", "{p}/decision.yaml"]
GOOD = ["--labels", "{p}/good.parquet", *OUT]
CASES = [
    (OUT, ["--labels"]),
    (["--labels", "{p}/good.parquet"], ["--output"]),
    (["--labels", "{p}/missing.parquet", *OUT], ["missing.parquet: cannot be read (no such file); give a Parquet"]),
    (["--labels", "{p}/text.parquet", *OUT], ["text.parquet", "cannot be read"]),
    (["--labels", "{p}/no-package.parquet", *OUT], ["no-package.parquet", "package"]),
    (["--labels", "{p}/damaged.parquet", *OUT], ["damaged.parquet", "cannot be read"]),
    *(
        (["--labels", f"{{p}}/{name}.parquet", *OUT], [f"{name}.parquet: the column {column} has", words])
        for name, column, words in (
            ("null-category", "true_category", "null, where text"),
            ("null-p", "p_music", "null, where numbers"),
            ("nan-p", "p_music", "no finite numbers"),
            ("text-p", "p_speech", "type string, where numbers"),
            ("text-duration", "duration_s", "type string, where numbers"),
            ("null-duration", "duration_s", "where numbers"),
            ("null-version", "model_version", "null, where text"),
            ("null-package", "package", "where text"),
            ("null-flags", "flags", "null, where lists"),
            ("null-flag", "flags", "where lists"),
            ("text-flags", "flags", "type string, where lists"),
            ("text-share", "dominant_share", "type string, where numbers"),
        )
    ),
    (["--labels", "{p}/no-duration.parquet", *OUT], ["no-duration.parquet", "duration_s"]),
    (["--labels", "{p}/two-models.parquet", *OUT], ["2 models", "a, b"]),
    (
        ["--labels", "{p}/steering-versions.parquet", *OUT],
        ["2 models", "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}earmark: published, b"],
    ),
    (["--labels", "{p}/noise.parquet", *OUT], ["true_category", "noise"]),
    (["--labels", "{p}/one-package.parquet", *OUT], ["--folds 5", "1 packages"]),
    (["--labels", "{p}/good.parquet", "--output", "{p}/decision.txt"], ["--output", ".yaml"]),
    (["--labels", "{p}/good.parquet", "--output", "{p}/none/decision.yaml"], ["--output", "exists"]),
    ([*GOOD, "--curve", "{p}"], ["--curve", "cannot be written"]),
    ([*GOOD, "--folds", "1"], ["--folds 1", "2 or more"]),
    ([*GOOD, "--folds", "few"], ["--folds", "few"]),
    ([*GOOD, "--min_duration_s", "60"], ["holds no track"]),
    ([*GOOD, "--config", "{p}/costs.yaml"], ["decision.costs.review", "0"]),
    ([*GOOD, "--model", "{p}"], ["earmark_model.json"]),
]


@pytest.mark.parametrize(("flags", "named"), CASES, ids=[" ".join(flags) for flags, _ in CASES])
def test_refused(flags, named, place, capsys):
    before = sorted(place.iterdir())
    assert exit_status(run, [flag.format(p=place) for flag in flags]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for text in named:
        assert text in message
    assert sorted(place.iterdir()) == before


def test_a_model_that_did_not_label(place, capsys):
    from models.saved_model import shipped_model_folder

    flags = ["--labels", str(place / "good.parquet"), "--output", str(place / "d.yaml")]
    assert exit_status(run, [*flags, "--model", shipped_model_folder()]) == 2
    assert "but made-up-1.0 labelled" in capsys.readouterr().err
