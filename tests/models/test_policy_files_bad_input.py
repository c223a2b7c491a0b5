"""Wrong policies: one sentence with the flag, the key, the value and the mend."""

from __future__ import annotations

import datetime

import pytest
import yaml

from models.errors import UserError
from models.policy_files import SHIPPED_POLICIES, policies_in_force

DAY = datetime.date(2026, 1, 31)
TEMPLATE = yaml.safe_load((SHIPPED_POLICIES / "example-contract.yaml").read_text())


def refused(*names: object, day: datetime.date = DAY) -> str:
    with pytest.raises(UserError) as caught:
        policies_in_force([str(name) for name in names], day)
    message = str(caught.value)
    assert message.startswith("--policy ")
    assert "\n" not in message
    return message


CHANGES = [
    ({"stream_weight": 1.2}, ["stream_weight", "1.2", "less than or equal to 1"]),
    ({"stream_weight": 0}, ["stream_weight", "0"]),
    ({"stream_weight": float("nan")}, ["stream_weight"]),
    ({"stream_weight": None}, ["pool_action weight", "stream_weight"]),
    ({"pool_action": "exclude"}, ["pool_action exclude", "stream_weight 0.5"]),
    ({"pool_action": "demote"}, ["pool_action", "'demote'", "'exclude'"]),
    ({"stream_weight_source": None}, ["stream_weight", "stream_weight_source"]),
    ({"min_streams_12m": 1000}, ["min_streams_12m", "min_streams_12m_source"]),
    ({"min_length_s": None}, ["min_length", "leave min_length_source out"]),
    ({"min_length_s": -1}, ["min_length_s", "-1"]),
    ({"stream_weight_source": {"kind": "rumour", "citation": "x"}}, ["stream_weight_source.kind", "'rumour'"]),
    ({"stream_weight_source": {"kind": "press", "citation": " "}}, ["stream_weight_source.citation"]),
    ({"functional_types_in_scope": ["rain"]}, ["functional_types_in_scope", "'rain'", "'nature'"]),
    ({"functional_types_in_scope": ["noise", "noise"]}, ["functional_types_in_scope", "noise twice"]),
    ({"effective_from": "soon"}, ["effective_from", "'soon'"]),
    ({"effective_to": "2020-01-01"}, ["effective_to 2020-01-01", "effective_from 2024-01-01"]),
    ({"policy_id": "my policy"}, ["policy_id", "'my policy'"]),
    ({"version": 2}, ["version", "2", "string"]),
    ({"review_treatment": "ignore"}, ["review_treatment", "'ignore'"]),
    ({"minimum_length_s": 3}, ["minimum_length_s", "no such key", "min_length_s"]),
    ({"ddex_sound_recording_type": {"music": "M", "functional": "N"}}, ["ddex_sound_recording_type.speech", "missing"]),
]


@pytest.mark.parametrize(("change", "named"), CHANGES, ids=[str(change) for change, _ in CHANGES])
def test_wrong_value(change, named, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(TEMPLATE | change))
    message = refused(path)
    for text in [str(path), *named]:
        assert text in message


@pytest.mark.parametrize("key", ["policy_id", "effective_from", "pool_action", "pool_action_source", "source"])
def test_missing_key(key, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in TEMPLATE.items() if name != key}))
    assert f"{key}: is missing" in refused(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "holds no policy"),
        (b"- spotify", "holds no policy"),
        (b"policy_id: [", "not valid YAML"),
        (b"policy_id: a\npolicy_id: b", "'policy_id' stands twice"),
        (b"effective_from: 2026-02-30", "not valid YAML"),
        (b"\xff\xfe", "UTF-8"),
        (b"#" * (2 << 20), "larger than"),
        (b"!!python/object/apply:os.system [exit]", "not valid YAML"),
    ],
)
def test_wrong_file(data, words, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_bytes(data)
    assert words in refused(path)


def test_wrong_name(tmp_path):
    assert "did you mean spotify? deezer, example-contract, spotify ship" in refused("spotfy")
    assert "''" in refused("")
    assert "cannot be read (No such file" in refused(tmp_path / "none.yaml")
    assert "no YAML file" in refused(tmp_path)


def test_two_policies_of_one_id(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((SHIPPED_POLICIES / "deezer-2023-09.yaml").read_text())
    message = refused("deezer", path)
    assert str(path) in message
    assert "policy_id deezer, as --policy deezer has too" in message


def test_folder_of_two_policies():
    assert "several policies (deezer, example-contract, spotify)" in refused(SHIPPED_POLICIES)


def test_no_version_in_force(tmp_path):
    message = refused("spotify", day=datetime.date(2024, 3, 31))
    assert "no version is in force on the run date 2024-03-31; there is 2024-04 from 2024-04-01" in message


def test_one_version_twice(tmp_path):
    for name, begin in (("a", "2024-01-01"), ("b", "2025-01-01")):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(TEMPLATE | {"version": "1", "effective_from": begin}))
    assert "two files are version '1'" in refused(tmp_path)


def test_two_versions_that_begin_on_one_day(tmp_path):
    for version in ("1", "2"):
        (tmp_path / f"{version}.yaml").write_text(yaml.safe_dump(TEMPLATE | {"version": version}))
    assert "1 and 2 both begin on 2024-01-01" in refused(tmp_path)
