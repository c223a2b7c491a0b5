"""The sample's export, with names and a unit of its own, through the job and its daily run: docs/catalog.md."""

import csv
import json

import pyarrow.dataset as ds
import pytest
import yaml

from models.errors import UserError
from pipelines.categorize_options import parse
from pipelines.categorize_tracks import run
from tests.sample_run import SAMPLE

EXPORT, CONFIG = SAMPLE / "export.csv", SAMPLE.parent / "configs" / "export.yaml"
NAMES = yaml.safe_load(CONFIG.read_text())["catalog"]["columns"]
FIRST, SECOND = "2026-01-31", "2026-02-01"


def arguments(output, date, *flags, catalog=EXPORT, **settings):
    config = output.parent / f"{date}.yaml"
    config.write_text(json.dumps({"catalog": settings, "report": {"audio": False}}))
    argv = ["--catalog", catalog, "--output", output, "--run_date", date, "--config", config]
    return [str(argument) for argument in (*argv, *flags)]


def labels(output, date):
    found = ds.dataset(output / "track_labels" / f"run_date={date}", format="parquet").to_table().to_pylist()
    return {row["track_id"]: row for row in found}


def test_the_export_is_refused_with_the_columns_of_its_config(tmp_path):
    with pytest.raises(UserError) as caught:
        parse(arguments(tmp_path / "out", FIRST))
    assert yaml.safe_load(caught.value.to_paste) == {"catalog": {"columns": NAMES}}


def test_the_export_is_labelled_its_unit_is_found_out_and_the_mend_needs_no_new_labels(tmp_path, capsys):
    output = tmp_path / "out"
    assert run(arguments(output, FIRST, columns=NAMES)) == 0
    told = "duration_ms seems to be in another unit: 4 of 5 labelled tracks last 1,000 times as long"
    assert told in capsys.readouterr().out
    (page,) = output.glob("runs/*/report.html")
    assert told in page.read_text()
    first = labels(output, FIRST)
    with EXPORT.open(encoding="utf-8-sig", newline="") as stream:
        export = {row["Asset ID"]: row for row in csv.DictReader(stream, delimiter=";")}
    for theirs, ours in (("Track title", "title"), ("Distributor", "licensor")):
        assert {key: row[theirs] for key, row in export.items()} == {key: row[ours] for key, row in first.items()}

    assert run(arguments(output, SECOND, "--previous", output, columns=NAMES, duration_unit="s")) == 0
    assert "another unit" not in capsys.readouterr().out
    second = labels(output, SECOND)
    assert {row["label_source"] for row in second.values()} == {"carried"}
    assert not any({"duration_in_other_unit", "longer_than_catalog"} & set(row["flags"]) for row in second.values())
    assert [row["licensor"] for row in second.values()] == [row["licensor"] for row in first.values()]


def test_what_columns_are_called_is_part_of_the_run(tmp_path):
    def run_id(**settings):
        return parse(arguments(tmp_path / "out", FIRST, **settings)).run_id

    apart = [
        run_id(columns=NAMES),
        run_id(columns=NAMES, duration_unit="s"),
        run_id(columns=NAMES | {"title": "Distributor"}),
        run_id(columns={name: theirs for name, theirs in NAMES.items() if name != "title"}),
    ]
    assert len(set(apart)) == len(apart)
    # A column mapped to its own name is not mapped.
    sample = SAMPLE / "catalog.jsonl"
    assert run_id(catalog=sample) == run_id(catalog=sample, columns={"title": "title", "isrc": None})
