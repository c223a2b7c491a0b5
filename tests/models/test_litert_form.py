from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from models import litert_form
from models.litert_form import LITERT_SUFFIX, choose_runtime, gpu_in_reach, served_metadata
from models.saved_model import check_model_folder, shipped_model_folder


@pytest.fixture
def metadata():
    return check_model_folder(shipped_model_folder())


@pytest.mark.parametrize(
    ("wanted", "has_form", "gpu", "local", "chosen"),
    [
        ("auto", True, False, True, "litert"),
        ("auto", True, True, True, "saved_model"),
        ("auto", True, True, False, "litert"),
        ("auto", False, False, True, "saved_model"),
        ("litert", True, True, True, "litert"),
        ("saved_model", True, False, True, "saved_model"),
    ],
)
def test_the_form_that_is_chosen(monkeypatch, metadata, wanted, has_form, gpu, local, chosen):
    monkeypatch.setattr(litert_form, "gpu_in_reach", lambda: gpu)
    if not has_form:
        metadata = dataclasses.replace(metadata, litert=None)
    assert choose_runtime(wanted, metadata, local) == chosen


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_a_gpu_that_is_hidden_is_none(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not gpu_in_reach()


def test_rows_of_two_forms_have_two_versions(metadata):
    assert served_metadata(metadata, "saved_model") == metadata
    version = served_metadata(metadata, "litert").model_version
    assert version == metadata.model_version + LITERT_SUFFIX


def test_choosing_needs_neither_tensorflow_nor_litert():
    code = (
        "import sys; from models.litert_form import *; from models.saved_model import *;"
        "choose_runtime('auto', check_model_folder(shipped_model_folder()));"
        "assert not {'tensorflow', 'ai_edge_litert'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
