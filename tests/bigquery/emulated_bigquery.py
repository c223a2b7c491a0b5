"""A BigQuery of our own on a loopback port: bqemulator behind a server of ours, which can fail requests.

The server in front also mends two things in which the emulator is unlike BigQuery, so that ids of jobs mean what they
mean there: the emulator runs a second job of an id in the place of refusing it, and gives an uploaded load job an id of
its own.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.ports import reserved_port

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = "earmark-test"

#: What happens to a request: it is carried out; its sender is not answered, before or after it is carried out; or it
#: gets this answer, a status and a BigQuery error's reason and message.
Outcome = str | tuple[int, str, str] | None
DROP, LOSE = "drop", "lose"


class EmulatedBigQuery:
    """The emulator's process and the server in front of it.

    ``before`` sees each request (method, path with its query, body) and may say what happens to it. All requests stand
    in ``requests`` as ``METHOD path``, the ids of jobs that were carried out in ``jobs``.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        environment = pathlib.Path(os.environ.get("EARMARK_BQEMULATOR_VENV", ROOT / ".venv-bigquery")).absolute()
        self.python = str(environment / "bin" / "python")
        self.gcs_folder = folder / "gcs"
        self.gcs_folder.mkdir()
        self._port, grpc_port = reserved_port(), reserved_port()
        arguments = [str(self._port), str(grpc_port), str(self.gcs_folder)]
        self._log = (folder / "emulator.log").open("w")
        self._process = subprocess.Popen(
            [self.python, pathlib.Path(__file__).with_name("run_emulator.py"), *arguments],
            stdout=self._log, stderr=subprocess.STDOUT, env=os.environ | {"TMPDIR": str(folder)},
        )  # fmt: skip
        self.requests: list[str] = []
        self.jobs: list[str] = []
        self._at_work = 0
        self._changed = threading.Condition()
        self.before: Callable[[str, str, bytes], Outcome] = lambda method, path, body: None
        self._emulators_ids: dict[str, str] = {}  # of load jobs that were uploaded
        self._uploads: dict[str, str] = {}  # upload id → job id
        front = self

        class Handler(_Handler):
            bigquery = front

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._wait_until_up()
        self.client = bigquery.Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": f"http://127.0.0.1:{self._port}"},
        )

    def _wait_until_up(self) -> None:
        for _ in range(600):
            assert self._process.poll() is None, pathlib.Path(self._log.name).read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.1)
        raise AssertionError("the emulator does not listen")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._process.send_signal(signal.SIGKILL)  # it holds nothing that has to be saved, and waits for its clients
        self._process.wait()
        self._log.close()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Around a request that is being served."""
        with self._changed:
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def wait_until_idle(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._at_work == 0, timeout=60)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, past the server in front."""
        return [tuple(row.values()) for row in self.client.query(sql).result()]

    def tables(self, dataset: str) -> set[str]:
        return {table.table_id for table in self.client.list_tables(dataset)}

    @contextlib.contextmanager
    def doing(self, before: Callable[[str, str, bytes], Outcome]) -> Iterator[None]:
        self.before = before
        try:
            yield
        finally:
            self.before = lambda method, path, body: None

    def carry_out(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict, bytes]:
        """Hand a request to the emulator; gives status, headers and content of the answer."""
        url = urllib.parse.urlsplit(path)
        query = urllib.parse.parse_qs(url.query)
        job_id = None
        if method == "POST" and url.path.endswith("/jobs"):
            job_id = json.loads(body)["jobReference"]["jobId"]
            if job_id in self.jobs:
                return _error(409, "duplicate", f"Already Exists: Job {PROJECT}:US.{job_id}")
        if method == "GET" and (found := re.search(r"(/jobs/|/queries/)([^/?]+)$", url.path)):
            emulators = self._emulators_ids.get(found[2], found[2])
            path = path.replace(f"{found[1]}{found[2]}", f"{found[1]}{emulators}")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        status, answer, content = response.status, dict(response.getheaders()), response.read()
        connection.close()
        if status == 200:
            if method == "POST" and "uploadType" in query:  # the file comes with a request of its own
                self._uploads[answer["x-guploader-uploadid"]] = str(job_id)
                job_id = None
            elif method == "PUT":
                job_id = self._uploads[query["upload_id"][0]]
                self._emulators_ids[job_id] = json.loads(content)["jobReference"]["jobId"]
            if job_id is not None:
                self.jobs.append(job_id)
        for ours, emulators in self._emulators_ids.items():
            content = content.replace(emulators.encode(), ours.encode())
        return status, answer, content


class _Handler(http.server.BaseHTTPRequestHandler):
    bigquery: EmulatedBigQuery
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and content in one packet: a second one would wait for the first one's receipt

    def _serve(self) -> None:
        with self.bigquery.at_work():
            self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.unquote(self.path)
        self.bigquery.requests.append(f"{self.command} {path}")
        outcome = self.bigquery.before(self.command, path, body)
        if outcome == DROP:
            self.close_connection = True
            return
        if isinstance(outcome, tuple):
            status, answer, content = _error(*outcome)
        else:
            status, answer, content = self.bigquery.carry_out(self.command, self.path, dict(self.headers), body)
            if outcome == LOSE:
                self.close_connection = True
                return
        with contextlib.suppress(ConnectionError):  # a killed job hangs up
            self.send_response(status)
            for name, value in answer.items():
                if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names of http.server

    def log_message(self, *unused: object) -> None:
        pass


def _error(status: int, reason: str, message: str) -> tuple[int, dict, bytes]:
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return status, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode()


def start(*flags: str) -> subprocess.Popen:
    """Start the job in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.publish_tables", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip


def kill_when(
    server: EmulatedBigQuery, is_the_moment: Callable[[str, str, bytes], bool], then: str, *flags: str
) -> None:
    """Start the job and end it by SIGKILL when it sends a certain request; ``then`` is LOSE or DROP."""
    process = start(*flags)
    killed = threading.Event()

    def before(method: str, path: str, body: bytes) -> Outcome:
        if killed.is_set():
            return DROP
        if is_the_moment(method, path, body):
            os.killpg(process.pid, signal.SIGKILL)
            killed.set()
            return then
        return None

    with server.doing(before):
        _, errors = process.communicate()
        server.wait_until_idle()  # what the killed job had sent is still carried out
    assert killed.is_set(), f"the job ended before that moment, with status {process.returncode}: {errors}"
