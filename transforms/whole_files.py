"""Files that are whole whenever they are there, on any of Beam's file systems."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import IO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems


def write_whole_file(folder: str, path: str, data: bytes | memoryview) -> None:
    """Write ``data`` to ``folder/path`` as :func:`whole_file` does."""
    with whole_file(folder, path) as stream:
        stream.write(data)


@contextlib.contextmanager
def whole_file(folder: str, path: str) -> Iterator[IO[bytes]]:
    """Open ``folder/path`` for writing so that the file is whole whenever it is there; safe to repeat.

    The bytes go to a file of a name of its own under ``folder/.temp`` first, and stay there when the block fails or the
    worker is killed, until the whole staging folder is cleared.
    """
    # On object stores too: closing a half-written object, as an exception does, would make it visible.
    temporary = FileSystems.join(folder, ".temp", uuid.uuid4().hex)
    destination = FileSystems.join(folder, *path.split("/"))
    with FileSystems.create(temporary, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        yield stream
    with contextlib.suppress(OSError, BeamIOError):  # It is there already; if not, the rename says so.
        FileSystems.mkdirs(destination.rsplit("/", 1)[0])
    FileSystems.rename([temporary], [destination])
