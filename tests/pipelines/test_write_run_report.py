"""The page of a published run, made again by its own command, with streams and from elsewhere."""

import datetime
import json
import pathlib
import re
import shutil
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.write_run_report import run
from tests.sample_run import RUN_DATE, SAMPLE
from tests.transforms.generated_tables import RUN_DATE as GENERATED_DATE
from tests.transforms.generated_tables import generate_run
from tests.transforms.published_tables import publish
from transforms.streams_parquet import STREAMS


def write(tables: pathlib.Path, *flags) -> int:
    return run(["--tables", str(tables), *map(str, flags)])


def titles(page: str) -> list[str]:
    return re.findall(r'<h3 id="track-\d+"><span class="rank">\d+</span><bdi>(.*?)</bdi>', page)


@pytest.fixture
def tables(sample_output, tmp_path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(sample_output, tmp_path / "out"))


def own_page(tables: pathlib.Path) -> pathlib.Path:
    (folder,) = (tables / "runs").iterdir()
    return folder / "report.html"


def test_the_page_comes_out_as_the_run_made_it(tables, capsys):
    page = own_page(tables)
    made_by_run = page.read_text("utf-8")
    page.unlink()
    assert write(tables, "--audio_root", SAMPLE) == 0
    assert page.read_text("utf-8") == made_by_run
    assert str(page) in capsys.readouterr().out


def test_a_page_that_loses_its_excerpts_says_so_in_one_line(tables, tmp_path, capsys):
    page, elsewhere = own_page(tables), tmp_path / "page.html"
    shutil.copy(page, elsewhere)
    for place, flags in ((page, ()), (elsewhere, ("--output", elsewhere))):
        assert "data:audio" in place.read_text("utf-8")
        assert write(tables, *flags) == 0
        assert "data:audio" not in place.read_text("utf-8")
        (line,) = capsys.readouterr().err.splitlines()
        assert str(place) in line
        assert "excerpts" in line
        assert "--audio_root" in line
        # There is nothing left to lose.
        assert write(tables, *flags) == 0
        assert capsys.readouterr().err == ""


def test_streams_order_the_queue_and_bring_the_licensors(tables, tmp_path):
    labels = duckdb.sql(
        f"SELECT track_id, title FROM read_parquet('{tables}/track_labels/*/*.parquet') WHERE decision = 'review' "
        "ORDER BY track_id"
    ).fetchall()
    rows = [
        {"track_id": track_id, "month": "2026-01", "licensor": "A <b>", "streams": 1000 * (number + 1)}
        for number, (track_id, _) in enumerate(labels)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=STREAMS), tmp_path / "streams.parquet")
    output = tmp_path / "page.html"
    assert write(tables, "--streams", tmp_path / "*.parquet", "--output", output, "--run_date", RUN_DATE) == 0
    page = output.read_text("utf-8")
    assert len(titles(page)) == 12
    last = [title for _, title in reversed(labels)]
    assert titles(page)[0] in last[:2]  # two of them may share their audio, and add up
    assert f"{1000 * len(labels):,}" in page
    assert "<bdi>A &lt;b&gt;</bdi>" in page
    assert "--audio_root of write_run_report says where it is" in page
    assert "data:audio" not in page


def test_the_config_says_what_the_page_shows(tables, tmp_path):
    (tmp_path / "config.yaml").write_text("report: {review_tracks: 2, excerpt_s: 1.5, vcpu_hour_price: 0.04}\n")
    output = tmp_path / "page.html"
    flags = ("--config", tmp_path / "config.yaml", "--audio_root", SAMPLE, "--output", output)
    assert write(tables, *flags) == 0
    page = output.read_text("utf-8")
    assert len(titles(page)) == page.count("data:audio/mpeg") == 2
    assert "per million tracks, at 0.04 per vCPU-hour" in page
    assert len(output.read_bytes()) < 150_000


def test_the_latest_run_is_compared_with_the_one_before(tmp_path):
    output = tmp_path / "out"
    first, second = GENERATED_DATE, GENERATED_DATE + datetime.timedelta(days=1)
    for name, date in (("run-1", first), ("run-2", second)):
        publish(output, generate_run(name, run_date=date))
    assert write(output) == 0
    assert write(output, "--run_date", first) == 0
    pages = {path.parent.name: path.read_text("utf-8") for path in output.glob("runs/*/report.html")}
    assert f"Run of {second}" in pages["run-2"]
    assert "<code>run-1</code> of 2026-01-31" in pages["run-2"]
    assert "There is no partition for an earlier date" in pages["run-1"]
    assert "This run kept no timings." in pages["run-1"]


def test_as_a_command(tmp_path):
    tables = tmp_path / "out"
    publish(tables, generate_run("run-1"))
    command = [sys.executable, "-m", "pipelines.write_run_report", "--tables", str(tables)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SAMPLE.parent)
    assert done.stdout.startswith("The page of run run-1 is ")
    assert done.stderr == ""
    manifest = json.loads((own_page(tables).parent / "manifest.json").read_text())
    assert f"{manifest['summary']['catalog_rows']['read']['rows']:,}" in own_page(tables).read_text("utf-8")
