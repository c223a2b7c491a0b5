"""The benchmark's generated catalog: numbered copies are files of their own with the same audio."""

from __future__ import annotations

import hashlib
import json
import pathlib

import numpy as np
import pytest

from benchmarks import catalog_generator
from benchmarks.catalog_generator import FORMATS, Format, numbered_copy, sources, write_take
from models.audio_decoding import decode_windows
from models.window_records import DecodePlan


@pytest.mark.parametrize("form", [forms[index] for forms in FORMATS.values() for index in (0, 3)], ids=lambda f: f.name)
def test_copies_differ_in_bytes_alone(form: Format, tmp_path: pathlib.Path) -> None:
    take = tmp_path / f"take.{form.suffix}"
    write_take(take, sources()[2], form, 5, seconds=6.0)
    content = take.read_bytes()
    digests = set()
    heard = []
    for number in (0, 1, 77_777_777):
        copy = tmp_path / f"{number}.{form.suffix}"
        copy.write_bytes(numbered_copy(content, number))
        digests.add(hashlib.sha256(copy.read_bytes()).hexdigest())
        decoding = decode_windows(str(copy), DecodePlan(coverage="full"))
        heard.append(np.concatenate([window.samples for window in decoding]))
    assert len(digests) == 3
    assert np.abs(heard[0]).max() > 0.1
    assert np.array_equal(heard[0], heard[1])
    assert np.array_equal(heard[0], heard[2])


def test_a_catalog_has_a_file_for_each_row(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_generator.os, "cpu_count", lambda: 1)
    catalog = catalog_generator.generate(tmp_path, 6, seconds=2.0, takes=2)
    rows = [json.loads(line) for line in catalog.read_text().splitlines()]
    assert len({row["track_id"] for row in rows}) == 6
    files = [(tmp_path / row["audio_uri"]).read_bytes() for row in rows]
    assert len({hashlib.sha256(content).hexdigest() for content in files}) == 6
