"""The part of Dataflow's REST interface that a submit uses, on a loopback port, with one worker behind it.

A job that is created is carried out: its package is installed and its graph is run, both as they were staged.
"""

import http.server
import json
import pathlib
import tempfile
import threading

from tests.dataflow.worker import WorkerPython
from tests.gcs.emulated_store import BUCKET, EmulatedStore

JOB_ID = "2026-01-31_00_00_00-1234567890"
_JOBS = "/v1b3/projects/my-project/locations/europe-west1/jobs"


class DataflowService:
    """``outcome`` is how a job ends: ``JOB_STATE_DONE`` carries it out first, any other state leaves it alone, and
    ``JOB_STATE_RUNNING`` is no end.

    What was asked is in ``created`` (the jobs, as they were sent) and ``requests`` (method and path). ``watched`` is
    set when a launcher waits for its job.
    """

    def __init__(self, store: EmulatedStore, worker: WorkerPython) -> None:
        self._store, self._worker = store, worker
        self.outcome = "JOB_STATE_DONE"
        self.message = "Workflow failed. Causes: the worker lost contact with the service."
        self.created: list[dict] = []
        self.requests: list[tuple[str, str]] = []
        self.worker_said = ""
        self.state = "JOB_STATE_PENDING"
        self.watched = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        # Beam's client speaks REST, and plain HTTP, with a host of this name only.
        self.endpoint = f"http://localhost:{self._server.server_address[1]}"
        self._threads = [threading.Thread(target=self._server.serve_forever)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown()
        self.watched.set()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def _create(self, job: dict) -> dict:
        self.created.append(job)
        answer = self._job()
        thread = threading.Thread(target=self._carry_out, args=[job])
        self._threads.append(thread)
        thread.start()
        return answer

    def _carry_out(self, job: dict) -> None:
        self.watched.wait()  # a job that ends before its launcher looks is none of what is tried here
        self.state = "JOB_STATE_RUNNING"
        if self.outcome == "JOB_STATE_DONE":
            (package,) = (
                part["location"] for part in job["environment"]["workerPools"][0]["packages"]
                if part["name"] == "workflow.tar.gz"
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                copy = pathlib.Path(folder, "workflow.tar.gz")
                copy.write_bytes(self._store.read(package.split(f"/{BUCKET}/", 1)[1]))
                self._worker.install(copy)
            ended = self._worker.run_job(job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"])
            self.worker_said = ended.stdout + ended.stderr
            self.state = "JOB_STATE_FAILED" if ended.returncode else "JOB_STATE_DONE"
        else:
            self.state = self.outcome

    def _job(self) -> dict:
        sent = self.created[-1]
        return {
            "id": JOB_ID, "projectId": "my-project", "location": "europe-west1", "name": sent["name"],
            "clientRequestId": sent["clientRequestId"], "currentState": self.state,
        }  # fmt: skip

    def _answer(self, method: str, path: str, body: bytes) -> dict | None:
        self.requests.append((method, path))
        if (method, path) == ("POST", _JOBS):
            return self._create(json.loads(body))
        if (method, path) == ("GET", f"{_JOBS}/{JOB_ID}"):
            answer = self._job()
            self.watched.set()
            return answer
        if (method, path) == ("PUT", f"{_JOBS}/{JOB_ID}"):
            self.state = {5: "JOB_STATE_CANCELLED"}[json.loads(body)["requestedState"]]  # the number is the interface's
            return self._job()
        if (method, path) == ("GET", f"{_JOBS}/{JOB_ID}/messages"):
            message = {
                "id": "1", "time": "2026-01-31T00:00:01Z", "messageText": self.message,
                "messageImportance": "JOB_MESSAGE_ERROR",
            }  # fmt: skip
            return {"jobMessages": [message] if self.state == "JOB_STATE_FAILED" else []}
        if (method, path) == ("GET", f"{_JOBS}/{JOB_ID}/metrics"):
            return {"metrics": []}
        return None

    def _handler(service) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805 (self is the handler's)
        class Handler(http.server.BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = service._answer(self.command, self.path.partition("?")[0], body)
                data = json.dumps(answer or {"error": {"code": 404, "message": "no such thing"}}).encode()
                self.send_response(200 if answer is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = _handle  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler
