"""Ports for servers that cannot choose one themselves, and that nobody else takes before they listen."""

from __future__ import annotations

import fcntl
import os
import pathlib
import socket
import tempfile

#: Below those that the kernel gives to whoever asks for any.
_PORTS = range(20_000, 30_000)
_reserved: list[int] = []


def reserved_port() -> int:
    """A loopback port on which nobody listens, kept from all other tests until this process ends."""
    for port in _PORTS:
        lock = os.open(pathlib.Path(tempfile.gettempdir(), f"earmark-tests-port-{port}"), os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _reserved.append(lock)
        return port
    raise AssertionError(f"no port of {_PORTS} is free")
