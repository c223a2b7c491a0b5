"""What goes wrong around a run, in one sentence: a full disk, a changed catalog or previous run, a store, a worker."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Final

from models.errors import RunFailedError, UserError
from pipelines.full_disk import error_chain, full_disk_sentence, is_full_disk
from pipelines.unpublished_labels import refused_labels

_AGAIN: Final = "The partition is as it was; run the same command again."
_CHANGED_TEXT: Final = re.compile(
    r"catalog file (\S.*?) (changed|has gone|appeared) since the run began|a file of catalog .* has gone"
)
#: A traceback has the line of code too, whose run is in braces.
_PREVIOUS_TEXT: Final = re.compile(
    r"previous run ([A-Za-z0-9._-]+), file (\S.*?): ((?:is not what|is not sorted|cannot be|has no label)[^\n]*)"
)
_BROKEN_OFF_TEXT: Final = re.compile(r"catalog file (\S.*? cannot be read behind record [^\n]*?); the run stops")
#: Of a table or query nobody knows the columns before its first row is read.
_COLUMN_TEXT: Final = re.compile(r"the BigQuery catalog (has no column [^\n]*)")
_WORKER_LOST_TEXT: Final = re.compile(r"Channel closed prematurely|Worker subprocess exited|SDK worker .* disconnected")


@contextlib.contextmanager
def explained(catalog: str, output: str) -> Iterator[None]:
    """Turn failures that are nobody's bug into a :class:`RunFailedError`; others pass, with their traceback.

    Parameters
    ----------
    catalog, output
        The flags' values, for the sentences.
    """
    # The engine logs what it raises, traceback and all; what is raised shows its own, or becomes a sentence.
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)
    try:
        yield
    except (UserError, RunFailedError):
        raise
    except Exception as error:
        sentence = _sentence(error, catalog, output)
        if sentence is None:
            raise
        raise RunFailedError(f"{sentence} {_AGAIN}") from error


def _sentence(error: BaseException, catalog: str, output: str) -> str | None:
    chain = list(error_chain(error))
    text = "\n".join(str(link) for link in chain)
    if found := _CHANGED_TEXT.search(text):
        what = f"the file {found[1]} {found[2]}" if found[1] else "a file of it has gone"
        return f"--catalog {catalog}: {what} while the run was reading it."
    if found := _BROKEN_OFF_TEXT.search(text):
        return f"--catalog {catalog}: the file {found[1][:400]}; mend or remove it."
    if found := _COLUMN_TEXT.search(text):
        return f"--catalog {catalog[:80]}: {found[1].partition(' [while running')[0]}."
    if found := _PREVIOUS_TEXT.search(text):
        what = found[3].partition(" [while running")[0][:300]
        return (
            f"--previous: the file {found[2]} of run {found[1]} {what}; if this happens again, give --force in the "
            "place of --previous."
        )
    if refused := refused_labels(text):
        return refused
    if is_full_disk(error):
        return full_disk_sentence(f"--output {output}")
    if stores := [link for link in chain if _is_of_a_store(link)]:
        reason = " ".join(str(stores[-1]).split())[:300]
        return f"A store failed under --output {output} or --catalog {catalog} ({reason}); mend its rights or wait."
    if _WORKER_LOST_TEXT.search(text):
        return "A worker process was killed or died, maybe for want of memory; --processes 1 takes less."
    return None


def _is_of_a_store(error: BaseException) -> bool:
    # Clients that may not be installed; Beam wraps what they raise.
    of_client = type(error).__module__.startswith(("google.", "botocore.", "requests.", "urllib3."))
    return of_client or type(error).__name__ == "BeamIOError"
