"""Staged files that are not what was written, and arguments that make no sense: nothing is published."""

from __future__ import annotations

import dataclasses
import logging
import pathlib

import pytest

from models.errors import UserError
from tests.transforms.generated_tables import RUN_DATE, generate_run, manifest_of, write_directly
from tests.transforms.published_state import PARTITION, problems
from transforms.publish_local import LocalStorage
from transforms.publish_plan import PublicationError
from transforms.published_summary import published_summary
from transforms.publishing import Publication

DATE = RUN_DATE.isoformat()
BEFORE, RUN = generate_run("run-a"), generate_run("run-b")


@pytest.fixture
def output(tmp_path) -> pathlib.Path:
    with Publication(str(tmp_path), DATE, BEFORE.run_id) as publication:
        summary = write_directly(BEFORE, publication.prepare())
        publication.publish(summary.files, manifest_of(summary))
    return tmp_path


def corrupt(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (corrupt, r"has \d+ bytes with SHA-256 \w+, but \d+ bytes with \w+ were written"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "were written"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_a_damaged_staged_file_stops_the_publication(output, damage, message):
    with Publication(str(output), DATE, RUN.run_id) as publication:
        summary = write_directly(RUN, publication.prepare())
        file = next(file for file in summary.files if file.table == "track_segments")
        damage(pathlib.Path(publication.staging_dir, file.path))
        with pytest.raises(PublicationError, match=f"{file.path}.*{message}"):
            publication.publish(summary.files, manifest_of(summary))
    assert problems(output, BEFORE) == ["leftovers in staging"]


def test_a_table_without_a_file_stops_the_publication(output):
    with Publication(str(output), DATE, RUN.run_id) as publication:
        summary = write_directly(RUN, publication.prepare())
        files = [file for file in summary.files if file.table != "dead_letters"]
        with pytest.raises(PublicationError, match="No file was staged for table dead_letters"):
            publication.publish(files, manifest_of(summary))
    assert problems(output, BEFORE) == ["leftovers in staging"]


@pytest.mark.parametrize("change", [{"table": "tracks"}, {"path": "track_labels/../../part.parquet"}])
def test_a_file_outside_the_tables_stops_the_publication(output, change):
    with Publication(str(output), DATE, RUN.run_id) as publication:
        summary = write_directly(RUN, publication.prepare())
        files = [*summary.files, dataclasses.replace(summary.files[0], **change)]
        with pytest.raises(PublicationError, match="does not belong to a table"):
            publication.publish(files, manifest_of(summary))
    assert problems(output, BEFORE) == ["leftovers in staging"]


@pytest.mark.parametrize("name", ["_SUCCESS", "REPLACED_BY", "../manifest.json"])
def test_papers_have_names_of_their_own(output, name):
    with Publication(str(output), DATE, RUN.run_id) as publication:
        summary = write_directly(RUN, publication.prepare())
        with pytest.raises(ValueError, match=name):
            publication.publish(summary.files, manifest_of(summary), {name: b""})
    assert problems(output, BEFORE) == ["leftovers in staging"]


def test_a_half_done_publication_whose_files_have_gone_is_replaced(output, caplog):
    class StoppedError(Exception):
        pass

    def stop(step: str) -> None:
        if step == "table track_embeddings":
            raise StoppedError

    with pytest.raises(StoppedError), Publication(str(output), DATE, RUN.run_id, on_step=stop) as publication:
        summary = write_directly(RUN, publication.prepare())
        publication.publish(summary.files, manifest_of(summary))
    for path in (output / ".staging" / PARTITION).glob("*/track_labels/*"):
        path.unlink()
    after = generate_run("run-c")
    with (
        caplog.at_level(logging.WARNING),
        Publication(str(output), DATE, after.run_id, storage=LocalStorage(str(output))) as publication,
    ):
        summary = write_directly(after, publication.prepare())
        publication.publish(summary.files, manifest_of(summary))
    assert "cannot be finished (The staged files of table track_labels of run run-b have gone.)" in caplog.text
    assert problems(output, after) == []


def test_a_partition_without_a_manifest_is_passed_over(output):
    (output / "runs" / BEFORE.run_id / "manifest.json").unlink()
    assert published_summary(str(output), "2027-01-01") is None


@pytest.mark.parametrize("content", ["", "not JSON", "[]", '{"run_id": 7}'])
def test_a_success_file_of_somebody_else_is_passed_over(output, content):
    (output / "track_labels" / PARTITION / "_SUCCESS").write_text(content)
    assert published_summary(str(output), "2027-01-01") is None


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".hidden", "with space"])
def test_a_run_id_must_be_a_plain_name(tmp_path, run_id):
    with pytest.raises(ValueError, match="run_id"):
        Publication(str(tmp_path), DATE, run_id)


@pytest.mark.parametrize("run_date", ["", "2026-02-30", "20260131", "31.01.2026"])
def test_a_run_date_must_be_a_date(tmp_path, run_date):
    with pytest.raises(ValueError, match=r"isoformat|run_date|day"):
        Publication(str(tmp_path), run_date, "run")


def test_an_output_that_is_a_file_is_the_users_to_mend(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match=r"output folder .*/out \(--output\) cannot be written: .*; give a folder"):
        Publication(str(tmp_path / "out"), DATE, "run").acquire()


@pytest.mark.parametrize("folder", ["runs", ".staging", "track_labels", f"track_segments/run_date={DATE}"])
def test_what_cannot_be_written_is_found_before_the_work(tmp_path: pathlib.Path, folder: str) -> None:
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder).write_text("a file, where a folder belongs")
    with Publication(str(tmp_path), DATE, "run-1") as publication, pytest.raises(UserError) as caught:
        publication.prepare()
    assert f"cannot be written: Not a directory ({tmp_path / folder})" in str(caught.value)
    assert not (tmp_path / ".staging").is_dir()
