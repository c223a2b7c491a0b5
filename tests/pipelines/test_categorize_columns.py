"""A catalog as a spreadsheet exports it, with names and units of its own, through the job and its daily run."""

import csv
import json

import pyarrow.dataset as ds
import pytest

from pipelines.categorize_options import parse
from pipelines.categorize_tracks import run
from tests.sample_run import SAMPLE

#: Music, noise and a copy of it, speech, and a rain of two and a half minutes; see sample/README.md.
CHOSEN = {"trk_0003", "trk_0006", "trk_0020", "trk_0061"}
NAMES = {"track_id": "Nr.", "audio_uri": "Datei", "title": "Titel", "licensor": "Lizenzgeber", "duration_ms": "Länge"}
FIRST, SECOND = "2026-01-31", "2026-02-01"


def rows():
    for line in (SAMPLE / "catalog.jsonl").read_text(errors="replace").splitlines():
        if line[14:22] in CHOSEN:
            yield json.loads(line)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "Katalog.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow([*NAMES.values(), "Länge (alt)"])
        for row in rows():
            writer.writerow([*(row[name] for name in list(NAMES)[:-1]), round(row["duration_ms"] / 1000), ""])
    return path


def arguments(catalog, output, date, *flags, unit="ms", names=NAMES):
    config = output.parent / f"{date}-{unit}.yaml"
    columns = json.dumps(names, ensure_ascii=False)
    config.write_text(f"catalog: {{columns: {columns}, duration_unit: {unit}}}\nreport: {{audio: false}}\n")
    argv = ["--catalog", catalog, "--audio_root", SAMPLE, "--output", output, "--run_date", date, "--config", config]
    return [str(argument) for argument in (*argv, *flags)]


def labels(output, date):
    found = ds.dataset(output / "track_labels" / f"run_date={date}", format="parquet").to_table().to_pylist()
    return {row["track_id"]: row for row in found}


def test_an_export_is_labelled_its_unit_is_found_out_and_the_mend_needs_no_new_labels(catalog, tmp_path, capsys):
    output = tmp_path / "out"
    assert run(arguments(catalog, output, FIRST)) == 0
    told = "duration_ms seems to be in another unit: 4 of 4 labelled tracks last 1,000 times as long"
    assert told in capsys.readouterr().out
    (page,) = output.glob("runs/*/report.html")
    assert told in page.read_text()
    first = labels(output, FIRST)
    assert {row["track_id"]: (row["title"], row["licensor"]) for row in rows()} == {
        track_id: (row["title"], row["licensor"]) for track_id, row in first.items()
    }
    assert all("duration_in_other_unit" in row["flags"] for row in first.values())

    assert run(arguments(catalog, output, SECOND, "--previous", output, unit="s")) == 0
    assert "another unit" not in capsys.readouterr().out
    second = labels(output, SECOND)
    assert {row["label_source"] for row in second.values()} == {"carried"}
    assert not any({"duration_in_other_unit", "longer_than_catalog"} & set(row["flags"]) for row in second.values())
    assert {track_id: row["licensor"] for track_id, row in second.items()} == {
        track_id: row["licensor"] for track_id, row in first.items()
    }


def test_what_columns_are_called_is_part_of_the_run(catalog, tmp_path):
    def run_id(catalog, **changed):
        return parse(arguments(catalog, tmp_path / "out", FIRST, **changed)).run_id

    apart = [
        run_id(catalog),
        run_id(catalog, unit="s"),
        run_id(catalog, names=NAMES | {"title": "Lizenzgeber"}),
        run_id(catalog, names={name: theirs for name, theirs in NAMES.items() if name != "title"}),
    ]
    assert len(set(apart)) == len(apart)
    # A column mapped to its own name is not mapped.
    sample = SAMPLE / "catalog.jsonl"
    assert run_id(sample, names={}) == run_id(sample, names={"title": "title", "isrc": "isrc"})
