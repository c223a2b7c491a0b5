"""Policies on the main job's command line: which versions are taken, and that their content is part of the run's id."""

from __future__ import annotations

import pytest

from models.policy_files import SHIPPED_POLICIES
from pipelines.categorize_options import parse


@pytest.fixture
def catalog(tmp_path):
    path = tmp_path / "catalog.jsonl"
    path.write_text('{"track_id": "t1", "audio_uri": "a.wav"}\n')
    return path


def run_id(catalog, *policies, run_date="2026-01-31") -> str:
    flags = [text for policy in policies for text in ("--policy", str(policy))]
    argv = ["--catalog", str(catalog), "--output", str(catalog.parent / "out"), "--run_date", run_date, *flags]
    options = parse(argv)
    assert len(options.policies) == len(set(policies))
    return options.run_id


def test_the_policies_are_part_of_the_run_id_whatever_their_order(catalog, tmp_path):
    ids = [run_id(catalog), run_id(catalog, "spotify"), run_id(catalog, "deezer"), run_id(catalog, "spotify", "deezer")]
    assert len(set(ids)) == 4
    assert run_id(catalog, "deezer", "spotify", "deezer") == ids[3]


def test_one_changed_figure_makes_another_run(catalog, tmp_path):
    copy = tmp_path / "spotify.yaml"
    text = (SHIPPED_POLICIES / "spotify-2024-04.yaml").read_text()
    copy.write_text(text)
    assert run_id(catalog, copy) == run_id(catalog, "spotify")
    copy.write_text(text.replace("stream_weight: 0.2", "stream_weight: 0.25"))
    assert run_id(catalog, copy) != run_id(catalog, "spotify")
