"""A disk that ran full, told from other errors: as a number, or as text only, which Beam, Arrow and DuckDB hand on."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from typing import Final

from models.errors import NO_ROOM

_NO_ROOM_TEXT: Final = re.compile(
    "|".join(rf"\[Errno {number}\]|{re.escape(os.strerror(number))}" for number in NO_ROOM)
)


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that there is no room."""
    return any(
        (isinstance(link, OSError) and link.errno in NO_ROOM) or _NO_ROOM_TEXT.search(str(link))
        for link in error_chain(error)
    )


def full_disk_sentence(places: str) -> str:
    """What to tell a user; ``places`` are the flags that name files, with their values, such as ``--output out``."""
    return (
        f"No room is left on a disk: {places} or the temporary folder {tempfile.gettempdir()} (TMPDIR) is full; make "
        "room there."
    )


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it came from, and so on."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
