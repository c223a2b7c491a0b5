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
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    (folder / "text.parquet").write_text("no parquet")
    (folder / "costs.yaml").write_text("decision: {costs: {review: 0}}\n")
    return folder


OUT = ["--output", "{p}/decision.yaml"]
GOOD = ["--labels", "{p}/good.parquet", *OUT]
CASES = [
    (OUT, ["--labels"]),
    (["--labels", "{p}/good.parquet"], ["--output"]),
    (["--labels", "{p}/missing.parquet", *OUT], ["missing.parquet", "cannot be read"]),
    (["--labels", "{p}/text.parquet", *OUT], ["text.parquet", "cannot be read"]),
    (["--labels", "{p}/no-package.parquet", *OUT], ["no-package.parquet", "package"]),
    (["--labels", "{p}/no-duration.parquet", *OUT], ["no-duration.parquet", "duration_s"]),
    (["--labels", "{p}/two-models.parquet", *OUT], ["2 models", "a, b"]),
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
