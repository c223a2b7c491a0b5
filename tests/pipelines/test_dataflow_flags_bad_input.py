"""Dataflow without the libraries for it: the one thing about it that can be tried without them."""

import sys

import pytest

from models.errors import UserError
from pipelines.dataflow_flags import dataflow_flags


def test_the_google_libraries_are_missing(monkeypatch):
    for name in ("google.cloud", "google.cloud.dataflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r"needs the Google Cloud libraries; run pip install -e '\.\[gcp\]'"):
        dataflow_flags(["--runner=DataflowRunner"], {})
