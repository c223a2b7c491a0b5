"""The page of the main job is no reason for a run to fail, and shows why one was refused."""

import json

import pytest

from tests.sample_run import job

EMBERS = "audio/outdoors/06-embers.ogg"


@pytest.fixture
def label(tmp_path):
    """Run the main job on two tracks, one of them missing; the gates as YAML."""

    def run(gates: str = "{max_review_share: null, max_dead_letter_share: null}") -> int:
        catalog = tmp_path / "catalog.jsonl"
        rows = [
            {"track_id": "t1", "audio_uri": EMBERS, "title": "Guitar", "declared_type": "music"},
            {"track_id": "t2", "audio_uri": "audio/none.mp3"},
        ]
        catalog.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = tmp_path / "config.yaml"
        config.write_text(f"gates: {gates}\n")
        return job(catalog, tmp_path / "out", "--config", config)

    return run


def test_a_page_that_cannot_be_made_costs_the_page_alone(label, tmp_path, monkeypatch, caplog):
    def broken(*arguments):
        raise MemoryError("no room for a page")

    monkeypatch.setattr("transforms.report_making.count_figures", broken)
    assert label() == 0
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "_SUCCESS", "timings.json", "report.html"}
    assert "The page of this run could not be made" in (folder / "report.html").read_text()
    assert "The run's page could not be made (MemoryError: no room for a page)" in caplog.text


def test_a_refused_run_leaves_its_page_in_staging(label, tmp_path, capsys):
    assert label(gates="{max_dead_letter_share: 0.1, min_rows_for_shares: 0}") == 3
    assert not (tmp_path / "out" / "runs").exists()
    (path,) = (tmp_path / "out" / ".staging").rglob("report.html")
    page = path.read_text("utf-8")
    assert "Not published: 2 gates refused" in page
    assert "no file" in page
    assert f"Its page shows why: {path}" in capsys.readouterr().err
