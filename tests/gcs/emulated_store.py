"""A Cloud Storage of our own on a loopback port, which can fail requests, and a job that runs against it."""

import contextlib
import dataclasses
import functools
import http.server
import io
import json
import logging
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from transforms.table_schemas import TABLES

ROOT = pathlib.Path(__file__).parents[2]
BUCKET = "earmark"
RUN_DATE = "2026-01-31"

logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)  # it warns at every answer


class EmulatedStore:
    """The emulator behind a server of ours.

    ``before`` sees each request (method and decoded path) and may give the name of what happens to it: ``"drop"``
    closes the connection without an answer, ``"reset"`` resets it; ``"forbidden"`` answers 403, ``"throttled"`` 429
    and ``"unavailable"`` 503; ``"truncated"`` breaks off in the middle of the answer, ``"slow"`` takes half a second to
    begin it. All paths asked for are in ``requests``.
    """

    def __init__(self) -> None:
        self._objects = objects = Storage(use_memory_fs=True)
        create_bucket(BUCKET, objects)
        self.requests: list[str] = []
        self.before: Callable[[str, str], str | None] = lambda method, path: None
        self._server = _Server(("127.0.0.1", 0), functools.partial(_Handler, self, objects))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        client = storage.Client(
            project="none",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": f"http://{self.address}"},
        )
        self._client = client
        self._bucket = client.bucket(BUCKET)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def write(self, name: str, content: bytes) -> None:
        self._bucket.blob(name).upload_from_string(content)

    def read(self, name: str) -> bytes:
        return self._bucket.blob(name).download_as_bytes()

    def names(self) -> list[str]:
        """Names of all objects; also for ``before``, which cannot send requests."""
        return list(self._objects.objects[BUCKET])

    def generations(self, folder: str) -> dict[str, int]:
        """Names below ``folder`` in one moment, each with a number that a rewrite changes."""
        found = self._client.list_blobs(BUCKET, prefix=f"{folder}/")
        return {blob.name.removeprefix(f"{folder}/"): blob.generation for blob in found}


class _Server(http.server.HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a killed job hangs up
            super().handle_error(request, client_address)


_STATUSES = {"unavailable": 503, "throttled": 429, "forbidden": 403}


class _Handler(RequestHandler):
    def __init__(self, store: EmulatedStore, objects: Storage, *args: object) -> None:
        self._store = store
        super().__init__(objects, *args)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        path = urllib.parse.unquote(self.path)
        self._store.requests.append(path)
        outcome = self._store.before(self.command, path)
        if outcome in _STATUSES:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_error(_STATUSES[outcome])
        elif outcome == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif outcome == "truncated":
            self.wfile = _HalfAnswer(self.wfile)
        elif outcome == "slow":
            time.sleep(0.5)
        return outcome in (None, "truncated", "slow")


class _HalfAnswer(io.RawIOBase):
    """Sends the head of an answer and half of its body; the connection is closed then."""

    def __init__(self, sent: BinaryIO) -> None:
        self._sent, self._body = sent, False

    def write(self, data: Any) -> int:
        data = bytes(data)
        head, separator, rest = data.partition(b"\r\n\r\n")
        if self._body:
            self._sent.write(data[: len(data) // 2])
        elif separator:
            self._sent.write(head + separator + rest[: len(rest) // 2])
            self._body = True
        else:
            self._sent.write(data)
        return len(data)

    def flush(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            self._sent.flush()


@dataclasses.dataclass(frozen=True)
class Job:
    """How the main job is started: the store that it finds, and a folder for what it needs on the disk."""

    store: EmulatedStore
    folder: pathlib.Path

    def environment(self) -> dict[str, str]:
        """Nothing but loopback can be reached, and a look for a metadata server would be among the store's requests."""
        # Without any credentials Beam looks for some for half a minute before it connects without. Nobody checks these.
        credentials = self.folder / "credentials.json"
        words = dict.fromkeys(["client_id", "client_secret", "refresh_token", "token"], "none")
        credentials.write_text(json.dumps({"type": "authorized_user", "expiry": "2999-01-01T00:00:00", **words}))
        # With PYTHONDONTWRITEBYTECODE every start would compile TensorFlow and Beam anew: twice the time.
        left_out = ("_PROXY", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.upper().endswith(left_out)}
        return kept | {
            "STORAGE_EMULATOR_HOST": f"http://{self.store.address}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
            "GOOGLE_CLOUD_PROJECT": "none",
            "TMPDIR": str(self.folder),  # a killed job leaves a folder there
            "CLOUDSDK_CONFIG": str(self.folder / "no-gcloud"),
            "GCE_METADATA_HOST": self.store.address,
            "GCE_METADATA_IP": self.store.address,
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
        }

    def start(self, *flags: str, **environment: str | None) -> subprocess.Popen:
        changed = self.environment() | environment
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.categorize_tracks", "--run_date", RUN_DATE, *flags],
            env={name: value for name, value in changed.items() if value is not None},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        )  # fmt: skip

    def kill_before(self, is_the_moment: Callable[[str, str], bool], *flags: str) -> None:
        """Start the job and end it by SIGKILL when it sends a certain request, which is not carried out."""
        process = self.start(*flags)
        killed = threading.Event()

        def before(method: str, path: str) -> str | None:
            if is_the_moment(method, path) and not killed.is_set():
                os.killpg(process.pid, signal.SIGKILL)
                killed.set()
            return "drop" if killed.is_set() else None

        self.store.before = before
        try:
            _, errors = process.communicate()
        finally:
            self.store.before = lambda method, path: None
        assert killed.is_set(), f"the job ended before that moment, with status {process.returncode}: {errors}"


def finish(process: subprocess.Popen) -> str:
    """Wait for a job that must end well; gives what it said on standard error."""
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return errors


def table_in(files: list[bytes]) -> pa.Table:
    """The rows of Parquet files, in their order, without what depends on the run or on where audio is stored."""
    table = pa.concat_tables(pq.read_table(io.BytesIO(data)) for data in files)
    return table.drop_columns([name for name in ("run_id", "storage_version") if name in table.column_names])


def local_tables(output: pathlib.Path) -> dict[str, pa.Table]:
    """Every table of a local output folder."""
    folders = {table: output / table / f"run_date={RUN_DATE}" for table in TABLES}
    return {
        table: table_in([path.read_bytes() for path in sorted(folder.glob("*.parquet"))])
        for table, folder in folders.items()
    }
