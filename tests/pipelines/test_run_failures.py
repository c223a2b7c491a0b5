"""What goes wrong around a run becomes a sentence; what may be a bug keeps its traceback."""

import errno
import os

import pytest

from models.errors import RunFailedError, UserError
from pipelines.run_failures import explained


def told(error: Exception) -> str:
    with pytest.raises(RunFailedError) as caught, explained("c.jsonl", "out"):
        raise error
    assert str(caught.value).endswith("The partition is as it was; run the same command again.")
    return str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room(number: int) -> None:
    assert "--output out" in told(OSError(number, os.strerror(number)))
    wrapped = RuntimeError("a bundle failed")
    wrapped.__cause__ = ValueError("in between")
    wrapped.__cause__.__context__ = OSError(number, os.strerror(number), "part-0")
    assert "No room is left" in told(wrapped)
    assert "No room is left" in told(RuntimeError(f"from a worker: [Errno {number}] {os.strerror(number)}: 'part-0'"))


def test_a_changed_catalog() -> None:
    text = "catalog file b/c d.jsonl changed since the run began [while running 'ReadCatalog/ReadFile']"
    assert "--catalog c.jsonl: the file b/c d.jsonl changed" in told(RuntimeError(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("is not what it published [while running 'Label/Carry']", "is not what it published"),
        (
            "cannot be read: [Errno 2] No such file [while running 'Carry']\n\nTraceback",
            "cannot be read: [Errno 2] No such",
        ),
        ("has no label for 't1', which has audio", "has no label for 't1', which has audio"),
    ],
)
def test_a_previous_run_that_changed(text: str, reason: str) -> None:
    code = 'raise PreviousRunError(f"previous run {self.run_id}, file {file.path}: cannot be read: {error}")'
    sentence = told(RuntimeError(f"{code}\nPreviousRunError: previous run r-1, file /o/a b.parquet: {text}"))
    assert sentence.startswith(f"--previous: the file /o/a b.parquet of run r-1 {reason}")
    assert "--force in the place of --previous" in sentence
    assert "while running" not in sentence
    assert "\n" not in sentence


def test_a_catalog_file_that_breaks_off() -> None:
    text = "catalog file c.parquet cannot be read behind record 12 (ArrowInvalid: no page); the run stops, for its rows"
    sentence = told(RuntimeError(f"{text} would be missing [while running 'ReadCatalog/ReadFile']"))
    assert "the file c.parquet cannot be read behind record 12 (ArrowInvalid: no page); mend or remove it." in sentence
    assert "while running" not in sentence


def test_a_store_that_fails() -> None:
    from apache_beam.io.filesystem import BeamIOError

    assert "(Delete operation failed" in told(BeamIOError("Delete operation failed", {"gs://b/o": "403"}))


@pytest.mark.parametrize(
    "error", [UserError("a flag"), RunFailedError("done"), RuntimeError("a bug"), OSError(errno.EIO, "I/O")]
)
def test_everything_else_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained("c.jsonl", "out"):
        raise error
    assert caught.value is error
