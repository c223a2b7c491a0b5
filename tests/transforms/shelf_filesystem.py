"""A Beam file system over a dictionary: remote audio without a cloud (``shelf://box/name``), made to fail at will."""

from __future__ import annotations

import io
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes, FileMetadata, FileSystem


class Shelf:
    """Its files, and how often each of ``size``, ``open``, ``read`` and ``exists`` still fails."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failures: dict[str, int] = {}
        self.changed_s: dict[str, float] = {}

    def visit(self, operation: str) -> None:
        if self.failures.get(operation, 0) > 0:
            self.failures[operation] -= 1
            raise OSError(5, "the store is out of order")


SHELF = Shelf()


class _ShelfFile(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            SHELF.visit("read")
        return super().read(size)


class ShelfFileSystem(FileSystem):
    @classmethod
    def scheme(cls) -> str:
        return "shelf"

    def open(
        self,
        path: str,
        mime_type: str = "application/octet-stream",
        compression_type: str = CompressionTypes.AUTO,
    ) -> BinaryIO:
        assert compression_type == CompressionTypes.UNCOMPRESSED
        SHELF.visit("open")
        return _ShelfFile(SHELF.files[path])

    def exists(self, path: str) -> bool:
        SHELF.visit("exists")
        return path in SHELF.files

    def size(self, path: str) -> int:
        SHELF.visit("size")
        return len(SHELF.files[path])

    def join(self, basepath: str, *paths: str) -> str:
        raise NotImplementedError

    split = mkdirs = has_dirs = _list = create = copy = rename = delete = join  # type: ignore[assignment]

    def last_updated(self, path: str) -> float:
        raise NotImplementedError

    def checksum(self, path: str) -> str:
        raise NotImplementedError

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, self.size(path), SHELF.changed_s.get(path, 0.0))
