"""What write_run_report refuses: one sentence, status 2, and the page that was there is still there."""

import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.write_run_report import run
from tests.pipelines.refusals import refusal

PARTITION = "run_date=2026-01-31"


@pytest.fixture
def tables(tables) -> pathlib.Path:
    (tables / "runs" / "run-1" / "report.html").write_text("the old page")
    return tables


@pytest.fixture
def refused(tables, capsys):
    def refuse(*flags, tables=tables) -> str:
        message = refusal(capsys, run, "--tables", tables, *flags)
        for page in tables.glob("runs/*/report.html"):
            assert page.read_text() == "the old page"
        return message

    return refuse


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--run_date", "2020-01-01"), "holds no published run of 2020-01-01; there are 2026-01-31"),
        (("--run_date", "yesterday"), "'yesterday' is no date"),
        (("--audio_root", "nowhere"), "--audio_root nowhere: is no folder"),
        (("--streams", "nothing*.parquet"), "--streams nothing*.parquet: matches no file"),
        (("--config", "none.yaml"), "--config none.yaml: cannot be read"),
        (("--output", "nowhere/page.html"), "--output nowhere/page.html: must be a file in a folder that is there"),
        (("--output", "."), "--output .: must be a file"),
        (("--colour", "red"), "unrecognized arguments: --colour red"),
    ],
)
def test_flags(refused, flags, words):
    assert words in refused(*flags)


def test_a_folder_that_is_not_there(refused, tmp_path):
    assert "is not there" in refused(tables=tmp_path / "none")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{review_tracks: -1}", "report.review_tracks: -1: "),
        ("{review_tracks: 1000}", "report.review_tracks: 1000: "),
        ("{excerpt_s: 0}", "report.excerpt_s: 0: "),
        ("{vcpu_hour_price: -0.1}", "report.vcpu_hour_price: -0.1: "),
        ("{vcpu_price: 1}", "report.vcpu_price: no such key; did you mean 'vcpu_hour_price'?"),
    ],
)
def test_settings(refused, tmp_path, settings, words):
    (tmp_path / "config.yaml").write_text(f"report: {settings}\n")
    assert words in refused("--config", tmp_path / "config.yaml")


def test_a_file_of_streams_with_bad_values(refused, tmp_path):
    rows = {"track_id": ["a"], "month": ["January"], "licensor": ["A"], "streams": [1]}
    pq.write_table(pa.table(rows), tmp_path / "streams.parquet")
    assert "'January' is no month" in refused("--streams", tmp_path / "streams.parquet")


def test_a_table_that_is_no_table_any_more(refused, tables):
    (path,) = (tables / "track_labels" / PARTITION).glob("*.parquet")
    path.write_bytes(b"x" * path.stat().st_size)
    assert "a table of run run-1 cannot be read" in refused()


@pytest.mark.parametrize("key", ["summary", "gates", "config"])
def test_a_manifest_that_lacks_what_the_page_shows(refused, tables, key):
    path = tables / "runs" / "run-1" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[key]
    path.write_text(json.dumps(manifest))
    assert "the manifest of run run-1 lacks what the page shows" in refused()


def test_timings_that_are_none_of_ours_are_left_out(tables, capsys):
    (tables / "runs" / "run-1" / "timings.json").write_text('{"timings_version": 1, "phases": "<script>"}')
    assert run(["--tables", str(tables)]) == 0
    assert "This run kept no timings." in (tables / "runs" / "run-1" / "report.html").read_text("utf-8")


def test_a_page_in_the_place_of_what_a_run_wrote(refused, tables, tmp_path):
    (mark,) = tables.glob("track_labels/*/_SUCCESS")
    (tmp_path / "link").symlink_to(tables)
    for output in (mark, tables / "page.html", tmp_path / "link" / "runs" / "run-1" / "manifest.json"):
        content = output.read_bytes() if output.exists() else None
        assert f"--output {output}: is in --tables {tables}, where only categorize_tracks writes" in refused(
            "--output", output
        )
        assert (output.read_bytes() if output.exists() else None) == content
    own = tables / "runs" / "run-1" / "report.html"
    assert run(["--tables", str(tables), "--output", str(own)]) == 0
    assert own.read_text() != "the old page"


@pytest.mark.parametrize("content", [b"my notes", b"<!DOCTYPE html>\n<title>Earmarked</title>", b"\xff\x00" * 5000])
def test_a_file_of_somebody_else_is_left_alone(refused, tmp_path, content):
    own = tmp_path / "notes.html"
    own.write_bytes(content)
    assert f"--output {own}: is there and is no page of a run; give another name" in refused("--output", own)
    assert own.read_bytes() == content


@pytest.mark.parametrize("earlier", ["", "a page of a run"])
def test_an_empty_file_and_an_earlier_page_are_written_over(tables, tmp_path, earlier):
    page = tmp_path / "page.html"
    if earlier:
        assert run(["--tables", str(tables), "--output", str(page)]) == 0
        page.write_text(page.read_text("utf-8").replace("</html>", f"{earlier}</html>"), "utf-8")
    else:
        page.touch()
    assert run(["--tables", str(tables), "--output", str(page)]) == 0
    assert "</html>" in page.read_text("utf-8")
    assert not earlier or earlier not in page.read_text("utf-8")
