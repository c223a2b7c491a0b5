from __future__ import annotations

import pathlib

import pytest

from benchmarks.measured_run import fill_page


def test_tables_take_the_place_of_those_before(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\nc\n")
    fill_page(page, "x", "new\n")
    fill_page(page, "y", "| 1 |\n")
    assert page.read_text() == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n<!-- y -->\n| 1 |\n<!-- /y -->\nc\n"
    with pytest.raises(SystemExit, match="has no lines <!-- z -->"):
        fill_page(page, "z", "")
