from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil

import pytest

from models.errors import UserError
from models.litert_form import LITERT_FILE, choose_runtime
from models.litert_model import load_litert_model
from models.saved_model import METADATA_FILE, check_model_folder, load_model, shipped_model_folder


@pytest.fixture
def folder(tmp_path):
    """The shipped model without its SavedModel, free to be spoilt."""
    (tmp_path / LITERT_FILE).parent.mkdir()
    for part in (METADATA_FILE, LITERT_FILE):
        shutil.copy(f"{shipped_model_folder()}/{part}", tmp_path / part)
    return tmp_path


def edit(folder, section="litert", **changes):
    record = json.loads((folder / METADATA_FILE).read_text())
    record[section].update(changes)
    (folder / METADATA_FILE).write_text(json.dumps(record))


def put(folder, content):
    (folder / LITERT_FILE).write_bytes(content)
    edit(folder, sha256=hashlib.sha256(content).hexdigest())


def refusal(folder):
    with pytest.raises(UserError) as caught:
        load_litert_model(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named(folder):
    (folder / LITERT_FILE).unlink()
    assert f"{LITERT_FILE} cannot be read (No such file" in refusal(folder)


def test_a_file_that_was_changed_is_refused_with_both_hashes(folder):
    wanted = check_model_folder(folder).litert.sha256
    content = bytearray((folder / LITERT_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / LITERT_FILE).write_bytes(content)
    message = refusal(folder)
    assert wanted in message
    assert hashlib.sha256(content).hexdigest() in message


@pytest.mark.parametrize("content", [b"", b"no network", b"\x1c\x00\x00\x00TFL3" + bytes(200)])
def test_a_file_that_is_no_network_is_refused(folder, content):
    put(folder, content)
    assert "its LiteRT file cannot be used" in refusal(folder)


def test_half_a_network_is_refused(folder):
    content = (folder / LITERT_FILE).read_bytes()
    put(folder, content[: len(content) // 2])
    assert "its LiteRT file cannot be used" in refusal(folder)


def test_a_network_of_another_size_is_refused(folder):
    record = json.loads((folder / METADATA_FILE).read_text())
    record["embedding_size"] = 64
    (folder / METADATA_FILE).write_text(json.dumps(record))
    message = refusal(folder)
    assert "'embedding': 128" in message
    assert "'embedding': 64" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", "../network.tflite"),
        ("file", "/network.tflite"),
        ("file", ""),
        ("file", 3),
        ("sha256", "abc"),
        ("sha256", None),
        ("front_end", {}),
        ("front_end", []),
    ],
)
def test_a_part_that_does_not_fit_is_named_with_its_value(folder, field, value):
    edit(folder, **{field: value})
    for load in (check_model_folder, load_litert_model):
        with pytest.raises(UserError) as caught:
            load(folder)
        assert f"litert.{field} is {value!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("mel_bands", 0), ("hop_samples", 0.5), ("log_spread", "4"), ("target_rms", True)]
)
def test_a_setting_of_the_front_end_that_does_not_fit_is_refused(folder, field, value):
    settings = dataclasses.asdict(check_model_folder(folder).litert.front_end)
    edit(folder, front_end=settings | {field: value})
    with pytest.raises(UserError, match=r"litert\.front_end"):
        check_model_folder(folder)


@pytest.mark.parametrize("section", [[], "network.tflite", {"file": "a"}])
def test_a_section_that_is_none_is_refused(folder, section):
    record = json.loads((folder / METADATA_FILE).read_text()) | {"litert": section}
    (folder / METADATA_FILE).write_text(json.dumps(record))
    with pytest.raises(UserError, match="litert is"):
        check_model_folder(folder)


def test_a_folder_without_this_form_is_refused_with_the_mend(folder):
    record = json.loads((folder / METADATA_FILE).read_text())
    del record["litert"]
    (folder / METADATA_FILE).write_text(json.dumps(record))
    assert "has no LiteRT form; set model.runtime to saved_model" in refusal(folder)
    with pytest.raises(UserError, match=r"model\.runtime litert: the model .* has no LiteRT form"):
        choose_runtime("litert", check_model_folder(folder))


def test_a_folder_without_the_saved_model_says_so_when_that_is_asked_for(folder):
    with pytest.raises(UserError, match=r"holds no saved_model\.pb"):
        load_model(folder)
