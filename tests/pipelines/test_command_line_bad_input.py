"""What stands on standard error: a line to paste alone, so that it can be copied to its end; a Ctrl-C in a sentence."""

from __future__ import annotations

import pathlib
import signal
from collections.abc import Sequence

import pytest
import yaml

from pipelines.command_line import exit_status
from transforms.catalog_checks import check_catalog


def run(argv: Sequence[str] | None) -> int:
    assert argv is not None
    check_catalog(argv[0])
    return 0


def test_the_mend_of_a_catalog_can_be_pasted(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.csv").write_text("id,Pfad/Datei: \U0001f3b5\x1b,path\n")
    assert exit_status(run, [str(tmp_path / "c.csv")]) == 2
    sentence, mend, end = capsys.readouterr().err.split("\n")
    assert sentence.startswith("earmark: --catalog")
    assert yaml.safe_load(mend) == {"catalog": {"columns": {"track_id": "id", "audio_uri": "path"}}}
    assert end == ""


def test_a_ctrl_c_before_a_job_is_at_work_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def checks(argv: Sequence[str] | None) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    assert exit_status(checks, []) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "\nearmark: stopped by SIGINT.\n"
