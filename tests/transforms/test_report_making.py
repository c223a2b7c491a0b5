"""Which papers a run gets beside its manifest, by its settings."""

import json

import pytest

from tests.transforms.report_tables import label, write
from tests.transforms.test_run_report import run_summary
from transforms.decoder_pool import DecodeSettings
from transforms.gates import GateSettings, read_gates
from transforms.publish_manifest import build_manifest
from transforms.report_making import ReportSources, run_papers
from transforms.report_settings import ReportSettings
from transforms.run_timings import RunClock, RunTimings


@pytest.fixture
def papers(tmp_path):
    def make(files=None, **settings) -> dict[str, bytes]:
        write(tmp_path, track_labels=[label("a")])
        files = files or {path.stem.rpartition("-")[0]: [] for path in tmp_path.glob("*.parquet")}
        files |= {table: sorted(map(str, tmp_path.glob(f"{table}-*.parquet"))) for table in files if not files[table]}
        sources = ReportSources(files, None, None, DecodeSettings(), ReportSettings(**settings))
        summary = run_summary()
        gates = read_gates(summary, None, GateSettings())
        manifest = build_manifest(summary, gates, model={"model_version": "m"}, config={}, catalog={})
        return run_papers(sources, manifest, RunClock(), local=True)

    return make


def test_a_page_and_what_the_run_took(papers):
    made = papers()
    assert made.keys() == {"report.html", "timings.json"}
    assert b"Title of a" in made["report.html"]
    (phase,) = RunTimings.from_text(made["timings.json"]).phases
    assert phase.name == "count and draw this page"
    assert f'<td class="nowrap">{phase.wall_s:.2f} s</td>'.encode() in made["report.html"]


def test_a_run_without_a_page_keeps_its_timings(papers):
    assert papers(enabled=False).keys() == {"timings.json"}


def test_without_audio_nothing_is_embedded(papers):
    page = papers(audio=False)["report.html"]
    assert b"report.audio is off" in page
    assert b"<audio" not in page


def test_tables_that_cannot_be_read_cost_the_page_alone(papers, tmp_path, caplog):
    made = papers({"track_labels": [str(tmp_path / "gone.parquet")]})
    assert b"The page of this run could not be made" in made["report.html"]
    assert json.loads(made["timings.json"])["local"] is True
    (said,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "The run's page could not be made (FiguresError: " in said.getMessage()
    assert "\n" not in said.getMessage()
