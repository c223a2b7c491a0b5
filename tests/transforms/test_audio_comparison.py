"""Whether a row's audio is that of the previous run: by etag, by size and times, by its bytes."""

import os
import pathlib

import pyarrow as pa
import pytest

from tests.transforms.shelf_filesystem import SHELF
from transforms.audio_comparison import VERSION_COLUMNS, AudioComparison
from transforms.audio_sources import AudioRoot, identify, look_up
from transforms.catalog_buckets import to_batch
from transforms.records import CatalogRow
from transforms.table_schemas import TABLES


@pytest.fixture
def root(tmp_path) -> AudioRoot:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    return AudioRoot(str(tmp_path))


def version(root: AudioRoot, uri: str = "a.mp3", **changed) -> dict:
    identity = identify(uri, root)
    row = {"track_id": "t", "audio_uri": uri, "audio_sha256": identity.sha256, "size_bytes": identity.size_bytes}
    return row | {"storage_version": identity.storage_version, "audio_etag": None} | changed


def compare(root: AudioRoot, before: dict, unchanged_by="storage", uri="a.mp3", etag=None) -> dict | None:
    """The new version of the one row; None when its audio changed."""
    schema = pa.schema([TABLES["audio_versions"].field(name) for name in VERSION_COLUMNS])
    versions = pa.Table.from_pylist([before], schema=schema)
    catalog = to_batch([CatalogRow("t", uri, audio_etag=etag)])
    kept, new = AudioComparison(root, unchanged_by).unchanged(catalog, versions)
    assert kept.tolist() == [bool(new.num_rows)]
    return new.to_pylist()[0] if new.num_rows else None


def path(root: AudioRoot) -> pathlib.Path:
    return pathlib.Path(root.root) / "a.mp3"


def test_size_and_times_tell_without_a_look_at_the_bytes(root):
    wrong = version(root, audio_sha256="0" * 64)
    assert compare(root, wrong) == wrong
    assert compare(root, wrong, "sha256") is None


def test_a_touched_file_is_read_and_its_new_times_are_kept(root):
    before = version(root)
    os.utime(path(root))
    now = compare(root, before)
    assert now["storage_version"] == look_up("a.mp3", root).storage_version != before["storage_version"]
    assert now | {"storage_version": None} == before | {"storage_version": None}


def test_other_bytes_of_the_same_length_and_time_are_noticed(root):
    before, status = version(root), path(root).stat()
    path(root).write_bytes(b"other")
    os.utime(path(root), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path(root).stat().st_mtime_ns == status.st_mtime_ns
    assert compare(root, before) is None


def test_an_equal_etag_tells_without_a_look_at_the_file(root):
    before = version(root, audio_etag="e1")
    path(root).unlink()
    assert compare(root, before, etag="e1") == before
    assert compare(root, before, etag="e2") is None
    assert compare(root, before) is None
    assert compare(root, before, "sha256", etag="e1") is None


def test_another_etag_is_a_reason_to_read_whatever_the_times_say(root):
    before = version(root, audio_etag="e1")
    assert compare(root, before, etag="e2") == before | {"audio_etag": "e2"}
    assert compare(root, before | {"audio_sha256": "0" * 64}, etag="e2") is None


def test_an_etag_that_comes_or_goes_leaves_it_to_the_storage(root):
    wrong = version(root, audio_sha256="0" * 64)
    assert compare(root, wrong, etag="e1") == wrong | {"audio_etag": "e1"}
    assert compare(root, wrong | {"audio_etag": "e1"}) == wrong


def test_a_moved_file_is_read_also_when_its_etag_is_equal(root):
    before = version(root, audio_etag="e1")
    path(root).rename(path(root).with_name("b.mp3"))
    assert compare(root, before, uri="b.mp3", etag="e1")["audio_uri"] == "b.mp3"
    assert compare(root, before | {"audio_sha256": "0" * 64}, uri="b.mp3", etag="e1") is None


def test_without_times_that_can_be_relied_on_the_bytes_decide(root):
    before = version(root, storage_version=None)
    assert compare(root, before)["storage_version"] == look_up("a.mp3", root).storage_version
    assert compare(root, before | {"audio_sha256": "0" * 64}) is None


def test_a_file_that_is_gone_no_plain_file_or_outside_is_not_unchanged(root, tmp_path):
    before = version(root)
    path(root).unlink()
    assert compare(root, before) is None
    path(root).mkdir()
    assert compare(root, before) is None
    assert compare(root, before | {"audio_uri": "../a.mp3"}, uri="../a.mp3") is None


def test_a_file_above_the_limit_is_not_carried_whatever_tells(root):
    before = version(root, audio_etag="e1")
    assert compare(AudioRoot(root.root, max_file_bytes=4), before, etag="e1") is None
    assert compare(AudioRoot(root.root, max_file_bytes=5), before, etag="e1") == before


def test_a_track_that_the_previous_run_does_not_have_is_new(root):
    assert compare(root, version(root, track_id="other")) is None


def test_an_object_store_tells_by_size_and_time_of_change():
    SHELF.files["shelf://box/a.mp3"] = b"sound"
    SHELF.changed_s["shelf://box/a.mp3"] = 1000.25
    try:
        root = AudioRoot("shelf://box")
        wrong = version(root, audio_sha256="0" * 64)
        assert wrong["storage_version"] == "1000.25"
        assert compare(root, wrong) == wrong
        SHELF.changed_s["shelf://box/a.mp3"] = 1000.5
        assert compare(root, wrong) is None
        assert compare(root, version(root))["storage_version"] == "1000.5"
        # S3's whole seconds cannot tell two writes of one second apart.
        SHELF.changed_s["shelf://box/a.mp3"] = 1000.0
        assert version(root)["storage_version"] is None
        assert compare(root, wrong | {"storage_version": "1000.0"}) is None
    finally:
        SHELF.files.clear()
        SHELF.changed_s.clear()
