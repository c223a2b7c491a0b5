"""Runs that cannot be carried from: damaged, half there, forged. Each is one sentence before any work."""

import hashlib
import json
import pathlib
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from tests.transforms.test_previous_run import day, publish
from transforms.previous_run import PreviousRunError, find_previous_run

RUN = "run-3"


@pytest.fixture
def output(tmp_path) -> pathlib.Path:
    publish(tmp_path, "2026-01-03", RUN)
    return tmp_path


def file_of(output: pathlib.Path, table: str) -> pathlib.Path:
    (path,) = (output / table / "run_date=2026-01-03").glob("*.parquet")
    return path


def edit(output: pathlib.Path, change: Callable[[dict], object]) -> None:
    path = output / "runs" / RUN / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def refusal(output: pathlib.Path) -> str:
    with pytest.raises(UserError) as caught:
        find_previous_run(str(output), day(4))
    message = str(caught.value)
    assert message.startswith(f"--previous {output}: ")
    assert "--force" in message
    return message


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        find_previous_run(str(tmp_path / "file"), day(4))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', "\x00"])
def test_a_manifest_that_is_none(output, text):
    (output / "runs" / RUN / "manifest.json").write_text(text)
    assert "no manifest that can be read" in refusal(output)


def test_a_manifest_that_is_missing(output):
    (output / "runs" / RUN / "manifest.json").unlink()
    assert "has no runs/run-3/manifest.json" in refusal(output)


@pytest.mark.parametrize("text", ["", "x", "{}", "[1]"])
def test_a_success_that_names_no_run(output, text):
    (output / "track_labels" / "run_date=2026-01-03" / "_SUCCESS").write_text(text)
    refusal(output)


def test_a_run_that_is_being_replaced(output):
    (output / "runs" / RUN / "REPLACED_BY").write_text("run-4\n")
    assert "replaced" in refusal(output)


def test_another_version_or_another_run(output):
    edit(output, lambda manifest: manifest.update(manifest_version=99))
    assert "version 99" in refusal(output)
    edit(output, lambda manifest: manifest.update(manifest_version=1, run_id="run-4"))
    assert "'run-4'" in refusal(output)


@pytest.mark.parametrize(
    "path",
    [
        "../../track_labels/run_date=2026-01-03/part-00000-of-00001-00000000.parquet",
        "track_labels/run_date=2026-01-04/part-00000-of-00001-00000000.parquet",
        "track_labels/run_date=2026-01-03/anything.parquet",
        "track_labels/run_date=2026-01-03/part-00001-of-00001-00000000.parquet",
        "track_labels/run_date=2026-01-03/part-00000-of-00002-00000000.parquet",
        7,
    ],
)
def test_a_manifest_that_names_other_files(output, path):
    edit(output, lambda m: next(e for e in m["files"] if e["table"] == "track_labels").update(path=path))
    refusal(output)


def test_a_table_that_the_manifest_does_not_have(output):
    edit(output, lambda m: m.update(files=[e for e in m["files"] if e["table"] != "audio_versions"]))
    assert "numbers of files" in refusal(output)


@pytest.mark.parametrize("table", ["track_labels", "audio_versions", "track_segments", "track_embeddings"])
def test_a_file_that_is_gone_or_cut_off(output, table):
    path = file_of(output, table)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert f"has {len(data) - 1} bytes in the place of {len(data)}" in refusal(output)
    path.unlink()
    assert "is not there" in refusal(output)


def test_a_file_that_is_no_parquet(output):
    path = file_of(output, "track_labels")
    path.write_bytes(bytes(path.stat().st_size))
    assert "cannot be read" in refusal(output)


def test_other_columns(output):
    path = file_of(output, "audio_versions")
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.set_column(3, "size_bytes", pa.array(["1"] * table.num_rows)), path)
    edit(
        output,
        lambda m: next(e for e in m["files"] if e["table"] == "audio_versions").update(bytes=path.stat().st_size),
    )
    assert "has other columns in audio_versions" in refusal(output)


def test_content_that_changed_stops_the_run_when_it_is_read(output):
    path = file_of(output, "track_segments")
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    found = find_previous_run(str(output), day(4))
    with pytest.raises(PreviousRunError, match=r"previous run run-3, file .*: is not what it published"):
        next(found.batches("track_segments", 0, ["track_id"]))
    path.unlink()
    with pytest.raises(PreviousRunError, match="cannot be read"):
        next(found.batches("track_segments", 0, ["track_id"]))


@pytest.mark.parametrize("order", [[1, 0, *range(2, 12)], [*range(10), 11, 10], [*range(4), 5, 4, *range(6, 12)]])
def test_rows_out_of_order_stop_the_run_when_they_are_read(output, order, monkeypatch):
    monkeypatch.setattr("transforms.previous_run._BATCH_ROWS", 5)
    path = file_of(output, "track_labels")
    pq.write_table(pq.read_table(path, partitioning=None).take(order), path)
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    edit(
        output,
        lambda m: next(e for e in m["files"] if e["table"] == "track_labels").update(bytes=len(data), sha256=sha256),
    )
    found = find_previous_run(str(output), day(4))
    with pytest.raises(PreviousRunError, match=r"previous run run-3, file .*: is not sorted by track_id"):
        list(found.batches("track_labels", 0, ["track_id"]))
