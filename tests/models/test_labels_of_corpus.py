from __future__ import annotations

import pathlib

from models.labels_of_corpus import read_manifest

HEADER = "path,label,subtype,split,package\n"


def test_paths_are_absolute_wherever_the_manifest_was_named_from(tmp_path, monkeypatch):
    """The jobs look audio up under roots of their own; a path that is relative to the shell's folder would be lost."""
    (tmp_path / "set" / "audio").mkdir(parents=True)
    (tmp_path / "set" / "audio" / "a.wav").write_bytes(b"")
    (tmp_path / "set" / "manifest.csv").write_text(HEADER + "audio/a.wav,music,pop,dev,p\n")
    monkeypatch.chdir(tmp_path)
    for name in ("set/manifest.csv", "./set/manifest.csv", str(tmp_path / "set" / "manifest.csv")):
        (recording,), _ = read_manifest(name, for_training=False)
        assert pathlib.Path(recording.path).is_absolute()
        assert pathlib.Path(recording.path).is_file()


def test_a_cell_may_hold_any_character(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "manifest.csv").write_text(HEADER + '"a.wav",music,"pop\x0c\x85\nrock",dev,p\n', encoding="utf-8")
    (recording,), _ = read_manifest(str(tmp_path / "manifest.csv"), for_training=False)
    assert recording.subtype == "pop\x0c\x85\nrock"
