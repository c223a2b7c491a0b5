"""What a user gets wrong in building the evaluation set ends with exit status 2 and one sentence, before any file."""

from __future__ import annotations

import pytest

from pipelines.build_evaluation_set import run
from pipelines.command_line import exit_status
from tests.models.tiny_corpus import write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A manifest whose splits lack this or that."""
    manifest = write_corpus(tmp_path_factory.mktemp("corpus"))
    header, *lines = manifest.read_text().splitlines()
    dev = [line.split(",") for line in lines if ",dev," in line]
    kept = {
        "no-music": [row for row in dev if row[1] != "music"],
        "no-speech": [row for row in dev if row[1] != "speech"],
        "no-bed": [row for row in dev if row[2] != "noise"],
    }
    lines += [",".join([*row[:3], split, row[4]]) for split, rows in kept.items() for row in rows]
    (manifest.parent / "broken.ogg").write_text("no audio")
    lines.append("broken.ogg,music,broken,broken,some")
    manifest.write_text("\n".join([header, *lines]) + "\n")
    return manifest


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--split", "test"], ["--split test", "broken, dev, no-bed"]),
        (["--split", "no-music"], ["--split no-music", "no music in it", "part short_cuts", "--parts"]),
        (["--split", "no-music", "--parts", "tones", "slowed_music"], ["no music in it", "part slowed_music"]),
        (["--split", "no-speech", "--parts", "cafe_talk"], ["no speech in it", "part cafe_talk"]),
        (["--split", "no-bed", "--parts", "long_beds"], ["no functional of the type nature or", "part long_beds"]),
        (["--split", "dev", "--parts", "silense"], ["--parts silense", "did you mean silence?"]),
        (["--split", "dev", "--parts", "codecs", "xyzzy"], ["--parts xyzzy", "there are short_cuts, "]),
        (["--split", "dev", "--tracks", "0"], ["--tracks 0", "1 or more"]),
        (["--split", "dev", "--tracks", "many"], ["--tracks", "many"]),
        (["--split", "dev", "--seed", "-1"], ["--seed -1", "0 or more"]),
        (["--split", "dev", "--partz", "noise"], ["--partz"]),
        (["--split", "broken", "--parts", "slowed_music"], ["broken.ogg", "cannot be decoded", "take it out"]),
        ([], ["--split"]),
    ],
)
def test_refused(corpus, tmp_path, capsys, flags, named):
    output = tmp_path / "set"
    assert exit_status(run, ["--manifest", str(corpus), "--output", str(output), *flags]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in named:
        assert word in message
    assert not output.exists()


def test_an_output_that_holds_something_or_is_a_file(corpus, tmp_path, capsys):
    good = ["--manifest", str(corpus), "--split", "dev", "--parts", "silence", "--tracks", "1"]
    (tmp_path / "old.txt").write_text("keep me")
    assert exit_status(run, [*good, "--output", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert exit_status(run, [*good, "--output", str(tmp_path / "old.txt")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "old.txt").read_text() == "keep me"


def test_a_manifest_that_is_not_there(tmp_path, capsys):
    assert exit_status(run, ["--manifest", "none.csv", "--split", "dev", "--output", str(tmp_path / "set")]) == 2
    assert "--manifest none.csv: cannot be read" in capsys.readouterr().err


def test_synthetic_parts_need_no_recordings(corpus, tmp_path):
    flags = ["--split", "broken", "--parts", "silence", "tones", "--tracks", "1", "--output", str(tmp_path / "set")]
    assert run(["--manifest", str(corpus), *flags]) == 0
    assert len(list((tmp_path / "set").rglob("*.flac"))) == 3
