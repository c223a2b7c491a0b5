"""Policies that ship, found by name, by file and by folder of versions."""

from __future__ import annotations

import datetime

import pytest
import yaml

from models.policy_files import SHIPPED_POLICIES, policies_in_force, shipped_policies

DAY = datetime.date(2026, 1, 31)


def test_spotify_deezer_and_the_template_ship_and_read():
    shipped = shipped_policies()
    assert sorted(shipped) == ["deezer", "example-contract", "spotify"]
    assert {policy.pool_action for policy in shipped["deezer"]} == {"replace"}


def test_every_figure_that_is_not_the_services_own_says_so():
    (spotify,) = shipped_policies()["spotify"]
    assert spotify.stream_weight_source.kind == "press"
    assert spotify.review_treatment_source.kind == "assumption"
    assert {spotify.min_length_source.kind, spotify.min_streams_12m_source.kind} == {"official"}


def test_the_template_shows_every_key():
    keys = yaml.safe_load((SHIPPED_POLICIES / "example-contract.yaml").read_text())
    (template,) = shipped_policies()["example-contract"]
    assert keys.keys() == type(template).model_fields.keys()


def test_a_copy_of_the_template_is_a_policy(tmp_path):
    copy = tmp_path / "ours.yaml"
    text = (SHIPPED_POLICIES / "example-contract.yaml").read_text()
    copy.write_text(text.replace("policy_id: example-contract", "policy_id: ours").replace("0.5 ", "0.25", 1))
    found = policies_in_force(["spotify", str(copy), "deezer", "spotify"], DAY)
    assert [policy.policy_id for policy in found] == ["deezer", "ours", "spotify"]
    assert found[1].stream_weight == 0.25


@pytest.mark.parametrize(
    ("day", "version"), [("2025-01-01", "a"), ("2025-05-31", "a"), ("2025-06-01", "b"), ("2026-12-31", "c")]
)
def test_the_version_in_force_is_taken(day, version, tmp_path):
    text = (SHIPPED_POLICIES / "example-contract.yaml").read_text()
    for name, start, end in (
        ("a", "2025-01-01", "null"),
        ("b", "2025-06-01", "2025-12-31"),
        ("c", "2026-12-31", "null"),
    ):
        changed = text.replace('version: "1"', f"version: {name}").replace("2024-01-01", start)
        (tmp_path / f"{name}.yaml").write_text(changed.replace("effective_to: null", f"effective_to: {end}"))
    (policy,) = policies_in_force([str(tmp_path)], datetime.date.fromisoformat(day))
    assert policy.version == version


def test_a_folder_does_not_hide_a_policy_that_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spotify").mkdir()
    text = (SHIPPED_POLICIES / "example-contract.yaml").read_text()
    (tmp_path / "spotify" / "1.yaml").write_text(text)
    assert [policy.policy_id for policy in policies_in_force(["spotify"], DAY)] == ["spotify"]
    assert [policy.policy_id for policy in policies_in_force(["./spotify"], DAY)] == ["example-contract"]


def test_the_order_of_a_list_in_a_file_makes_no_other_policy(tmp_path):
    text = (SHIPPED_POLICIES / "deezer-2023-09.yaml").read_text()
    (tmp_path / "d.yaml").write_text(text.replace("[musical, spoken_word]", "[spoken_word, musical]"))
    assert policies_in_force([str(tmp_path / "d.yaml")], DAY) == policies_in_force(["deezer"], DAY)
