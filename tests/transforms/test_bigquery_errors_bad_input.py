"""What BigQuery answers, as Google's client hands it on: one sentence, with the mend where there is one."""

import json

import pytest

pytest.importorskip("google.cloud.bigquery")

import requests
from google.api_core import exceptions

from models.errors import RunFailedError, UserError
from transforms.bigquery_errors import Place, plain_errors

PLACE = Place("my-project", "labels")
URL = "https://bigquery.googleapis.com/bigquery/v2/projects/p/queries/abc?maxResults=0&location=US&prettyPrint=false"


def answered(status: int, reason: str, message: str) -> exceptions.GoogleAPICallError:
    """The error that Google's client makes of an answer."""
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps({"error": error}).encode()
    response.headers["content-type"] = "application/json"
    response.request = requests.Request("GET", URL).prepare()
    return exceptions.from_http_response(response)


def told(error: Exception, kind: type[Exception] = UserError) -> str:
    with pytest.raises(kind) as caught, plain_errors(PLACE):
        raise error
    assert "https:" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "message",
    ["Cannot read and write in different locations: source: EU, destination: US",
     "Cannot read in location: us-west1"],
)  # fmt: skip
def test_two_locations(message):
    assert f"are in different locations ({message}); use a bucket" in told(answered(400, "invalid", message))


def test_a_request_whose_url_names_a_location():
    message = "Resources exceeded during query execution"
    assert told(answered(400, "resourcesExceeded", message)) == (
        f"--project my-project: BigQuery lacks room for a query ({message}); run the same command again later."
    )


def test_the_url_is_no_part_of_what_is_told():
    assert "does not permit it (Access Denied: Table x);" in told(
        answered(403, "accessDenied", "Access Denied: Table x.")
    )


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "invalid"), (400, "invalidQuery"), (400, "badRequest"), (412, "conditionNotMet")]
)
def test_what_nobody_thought_of_is_told_in_the_words_of_bigquery(status, reason):
    message = "The default partition expiration is too short for such rows"
    assert told(answered(status, reason, f"{message}.\nSee the page of it."), RunFailedError) == (
        f"--project my-project --dataset labels: BigQuery refuses what was sent to it ({status} {reason}: {message}); "
        "no partition was changed by halves. If the data set's settings do not explain it, please report it."
    )


def test_an_error_without_a_reason():
    assert "(400: strange);" in told(exceptions.BadRequest("strange"), RunFailedError)


def test_what_a_job_says_twice_is_told_once():
    message = "Not found: Table p:d.x"
    job_error = exceptions.NotFound(f"{message}; reason: notFound, location: query, message: {message}")
    assert told(job_error, RunFailedError).count(message) == 1


@pytest.mark.parametrize(
    ("status", "reason", "what"), [(404, "notFound", "has gone"), (409, "duplicate", "is there already")]
)
def test_others_at_work_on_the_same_tables(status, reason, what):
    sentence = told(answered(status, reason, "Table p:d.x"), RunFailedError)
    assert f"--dataset labels: what this publication needs {what} (Table p:d.x);" in sentence
    assert sentence.endswith("Run the same command again.")
