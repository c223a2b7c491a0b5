"""The page of the main job: there when the run is, and no reason for a run to fail."""

import json
import pathlib

import pytest

from tests.sample_run import RUN_DATE, job

EMBERS = "audio/outdoors/06-embers.ogg"


@pytest.fixture
def label(tmp_path):
    """Run the main job on two tracks, one of them missing; the page's settings and the gates as YAML."""

    def run(report: str = "{}", gates: str = "{max_review_share: null, max_dead_letter_share: null}", times: int = 1):
        catalog = tmp_path / "catalog.jsonl"
        rows = [
            {"track_id": "t1", "audio_uri": EMBERS, "title": "Guitar", "declared_type": "music"},
            {"track_id": "t2", "audio_uri": "audio/none.mp3"},
        ]
        catalog.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = tmp_path / "config.yaml"
        config.write_text(f"report: {report}\ngates: {gates}\n")
        statuses = [job(catalog, tmp_path / "out", "--config", config) for _ in range(times)]
        return statuses[-1]

    return run


def papers(output: pathlib.Path) -> dict[str, bytes]:
    (folder,) = (output / "runs").iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_page_is_there_when_the_run_is_and_is_named_at_its_end(label, tmp_path, capsys):
    assert label() == 0
    page = papers(tmp_path / "out")["report.html"].decode()
    assert f"Run of {RUN_DATE}" in page
    assert page.count("data:audio/mpeg") == 1
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    assert f"Report:   {folder / 'report.html'}" in capsys.readouterr().out


def test_a_run_without_a_page_keeps_its_timings(label, tmp_path, capsys):
    assert label("{enabled: false}") == 0
    assert papers(tmp_path / "out").keys() == {"manifest.json", "_SUCCESS", "timings.json"}
    assert "Report:" not in capsys.readouterr().out


def test_without_audio_nothing_is_embedded(label, tmp_path):
    assert label("{audio: false}") == 0
    page = papers(tmp_path / "out")["report.html"].decode()
    assert "data:audio" not in page
    assert "report.audio is off" in page


def test_a_page_that_cannot_be_made_costs_the_page_alone(label, tmp_path, monkeypatch, caplog):
    assert label() == 0
    before = papers(tmp_path / "out")

    def broken(*arguments):
        raise MemoryError("no room for a page")

    monkeypatch.setattr("transforms.report_making.count_figures", broken)
    assert label() == 0
    after = papers(tmp_path / "out")
    assert b"The page of this run could not be made" in after["report.html"]
    assert {name for name in after if after[name] != before[name]} == {"report.html", "timings.json"}
    assert "The run's page could not be made (MemoryError: no room for a page)" in caplog.text


def test_a_refused_run_leaves_its_page_in_staging(label, tmp_path, capsys):
    assert label(gates="{max_dead_letter_share: 0.1, min_rows_for_shares: 0}") == 3
    assert not (tmp_path / "out" / "runs").exists()
    (path,) = (tmp_path / "out" / ".staging").rglob("report.html")
    page = path.read_text("utf-8")
    assert "Not published: 2 gates refused" in page
    assert "no file" in page
    assert f"Its page shows why: {path}" in capsys.readouterr().err
