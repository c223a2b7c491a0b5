"""What a user gets wrong about BigQuery itself: one sentence and status 2, soon, and no partition is changed."""

import http.server
import json
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from models.errors import UserError
from pipelines.command_line import exit_status
from pipelines.publish_tables import run
from tests.bigquery.emulated_bigquery import PROJECT, ROOT
from tests.bigquery.publishing import flags, is_job


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No credentials, and nothing to be reached."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def refusal(argv, seconds=60.0) -> str:
    begun = time.monotonic()
    with pytest.raises(UserError) as error:
        run(argv)
    assert time.monotonic() - begun < seconds
    assert "\n" not in str(error.value)
    return str(error.value)


def with_endpoint(argv, endpoint):
    return [*argv[:-1], endpoint]


@pytest.mark.parametrize("endpoint", [None, "https://127.0.0.1:9"])
def test_no_credentials_end_it_at_once(server, output, nowhere, endpoint):
    argv = flags(server, output, "any")
    argv = argv[:-2] if endpoint is None else with_endpoint(argv, endpoint)
    told = refusal(argv, seconds=20.0)  # those who ask a server for some wait for half a minute
    assert f"--dataset '{PROJECT}.any' needs Google Cloud credentials and none are set up" in told


def test_credentials_that_google_no_longer_takes(server, output, nowhere, monkeypatch, tmp_path):
    with serving(400, {"error": "invalid_grant", "error_description": "Token has been revoked."}) as address:
        key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
        account = {"type": "service_account", "client_email": "a@b.c", "private_key": key, "token_uri": address}
        (tmp_path / "key.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        told = refusal(with_endpoint(flags(server, output, "any"), "https://127.0.0.1:9"))
    assert "Google Cloud refuses the credentials" in told
    assert "Token has been revoked" in told


def test_a_file_of_credentials_that_is_none(server, output, nowhere, monkeypatch, tmp_path):
    (tmp_path / "key.json").write_text('{"type": "nonsense"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    told = refusal(with_endpoint(flags(server, output, "any"), "https://127.0.0.1:9"))
    assert "Google Cloud refuses the credentials" in told


def test_an_endpoint_where_nobody_listens(server, output):
    told = refusal(with_endpoint(flags(server, output, "any"), "http://127.0.0.1:9"))
    assert "--api_endpoint http://127.0.0.1:9: does not answer as BigQuery does" in told


@pytest.mark.parametrize(("status", "answer"), [(404, "<html>not here</html>"), (200, "<html>welcome</html>")])
def test_an_endpoint_that_is_something_else(server, output, status, answer):
    with serving(status, answer) as address:
        told = refusal(with_endpoint(flags(server, output, "any"), address))
    assert f"--api_endpoint {address}" in told


def test_a_dataset_that_is_not_there_is_not_made(server, output):
    told = refusal(flags(server, output, "no_such"))
    assert f"--dataset no_such: project {PROJECT} has no such data set" in told
    assert f"mk --dataset {PROJECT}:no_such" in told
    assert "no_such" not in {dataset.dataset_id for dataset in server.client.list_datasets()}


def answering(moment, *answer):
    return lambda method, path, body: answer if moment(method, path, body) else None


@pytest.mark.parametrize(
    ("moment", "answer", "sentence"),
    [(lambda method, path, body: "/datasets/" in path,
      (403, "accessDenied", "Access Denied: Dataset x: Permission bigquery.datasets.get denied"),
      "BigQuery does not permit it (Access Denied: Dataset x"),
     (is_job("load"), (403, "accessDenied", "User does not have bigquery.jobs.create permission in project"),
      "the roles that publishing needs are in docs/bigquery.md"),
     (is_job("load"), (403, "quotaExceeded", "Quota exceeded: Your project exceeded quota for load jobs"),
      "quota of project earmark-test is used up"),
     (is_job("load"), (400, "invalid", "Cannot read and write in different locations: source: EU, destination: US"),
      "use a bucket and a data set in one location"),
     (is_job("swap"), (400, "invalidQuery", "Transaction is aborted due to concurrent update against table x"),
      "another job changed the same tables at that moment")],
)  # fmt: skip
def test_what_bigquery_refuses(server, new_dataset, output, moment, answer, sentence):
    dataset = new_dataset()
    with server.doing(answering(moment, *answer)):
        assert sentence in refusal(flags(server, output, dataset), seconds=120.0)
    if "track_labels" in server.tables(dataset):
        assert server.ask(f"SELECT COUNT(*) FROM `{PROJECT}.{dataset}.track_labels`") == [(0,)]


def test_what_bigquery_refuses_for_a_reason_of_its_own(server, new_dataset, output, capsys):
    argv = flags(server, output, new_dataset())
    with server.doing(answering(is_job("load"), 400, "invalid", "The partition expiration is too short")):
        assert exit_status(run, argv) == 1
    told = capsys.readouterr().err
    assert "BigQuery refuses what was sent to it (400 invalid: The partition expiration is too short);" in told
    assert "Traceback" not in told


def test_googles_client_is_not_installed(server, output):
    """The emulator's own environment has all that is imported before that, and not the client."""
    argv = [server.python, "-m", "pipelines.publish_tables", *flags(server, output, "any")]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "This needs Google's client for BigQuery, which is not installed" in line
    assert "pip install -e '.[gcp]'" in line


class serving:  # noqa: N801 - used as a function
    """A server that is no BigQuery: it answers every request alike."""

    def __init__(self, status, answer):
        content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - the names of http.server

            def log_message(self, *unused):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *unused):
        self._server.shutdown()
        self._server.server_close()


def spoiled(output: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A copy of a run with a byte of a file changed."""
    shutil.copytree(output, folder)
    (path,) = folder.glob("track_segments/*/*.parquet")
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    return folder


def test_a_file_that_is_not_what_the_manifest_lists(server, new_dataset, output, tmp_path):
    dataset = new_dataset()
    told = refusal(flags(server, spoiled(output, tmp_path / "spoiled"), dataset))
    assert "the content of track_segments/…/" in told
    assert "has changed" in told
    assert server.tables(dataset) == set()
