"""Where tables are published, and what a user can mend about it, said in one sentence each.

Google's libraries (the extra ``gcp``) are imported where they are needed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any, Final

from models.errors import RunFailedError, UserError

_QUOTA: Final = {"quotaExceeded", "rateLimitExceeded", "jobRateLimitExceeded"}
#: Google's client writes the request before the message; its URL holds ``location=``, a job's error "location: query".
_REQUEST: Final = re.compile(r"^(?:GET|POST|PUT|PATCH|DELETE) \S+: ")
#: Behind a job's message the client writes all of its errors, the same one among them.
_SAID_AGAIN: Final = "; reason: "
_TWO_LOCATIONS: Final = re.compile(r"different (?:location|region)s?|same (?:location|region)|read in location", re.I)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where tables are published: ``--project``, ``--dataset`` and ``--api_endpoint``, null for Google's own."""

    project: str
    dataset: str
    api_endpoint: str | None = None

    @property
    def is_emulator(self) -> bool:
        """Whether the endpoint is plain HTTP: then no credentials are sent there, so that none can leak."""
        return urllib.parse.urlsplit(self.api_endpoint or "").scheme == "http"

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}"


def require_bigquery_library() -> None:
    """Refuse to go on where Google's client for BigQuery is not installed.

    Raises
    ------
    UserError
        When it is not.
    """
    try:
        found = importlib.util.find_spec("google.cloud.bigquery") is not None
    except ModuleNotFoundError:  # a parent package is missing
        found = False
    if not found:
        raise UserError(
            "This needs Google's client for BigQuery, which is not installed; install it with: "
            "pip install -e '.[gcp]' in Earmark's folder"
        )


@contextlib.contextmanager
def plain_errors(place: Place) -> Iterator[None]:
    """Turn what a user can mend about BigQuery into a :class:`UserError`.

    What others did to the same tables meanwhile, and any other refusal of BigQuery's, becomes a
    :class:`RunFailedError`.
    """
    import requests
    from google.api_core import exceptions
    from google.auth import exceptions as auth_exceptions

    where = f"--api_endpoint {place.api_endpoint}" if place.api_endpoint else "BigQuery"
    try:
        yield
    except (auth_exceptions.RefreshError, auth_exceptions.DefaultCredentialsError, exceptions.Unauthorized) as error:
        raise UserError(
            f"Google Cloud refuses the credentials ({brief(error)}); run 'gcloud auth application-default login' "
            "again, or set GOOGLE_APPLICATION_CREDENTIALS to another file."
        ) from error
    except (requests.RequestException, auth_exceptions.TransportError, exceptions.RetryError) as error:
        raise UserError(
            f"{where}: does not answer as BigQuery does ({brief(error)}); check the address and the network, then run "
            "the same command again."
        ) from error
    except exceptions.ServerError as error:
        raise UserError(
            f"{where}: answers with an error of its own ({brief(error)}); run the same command again later."
        ) from error
    except exceptions.GoogleAPICallError as error:
        sentence = _mend(error, place)
        if sentence is not None:
            raise (RunFailedError if error.code in {404, 409} else UserError)(sentence) from error
        raise RunFailedError(
            f"--project {place.project} --dataset {place.dataset}: BigQuery refuses what was sent to it "
            f"({refusal(error.code, reasons(error), brief(error))}); no partition was changed by halves. If the data "
            "set's settings do not explain it, please report it."
        ) from error


def _mend(error: Any, place: Place) -> str | None:
    """A sentence with the mend; null for what nobody thought of."""
    message = brief(error)
    if reasons(error) & _QUOTA:
        return f"BigQuery's quota of project {place.project} is used up ({message}); run the same command again later."
    if error.code == 403:
        return (
            f"--project {place.project} --dataset {place.dataset}: BigQuery does not permit it ({message}); the roles "
            "that publishing needs are in docs/bigquery.md."
        )
    if error.code == 400 and _TWO_LOCATIONS.search(message):
        return (
            f"--dataset {place.dataset}: the files and the data set are in different locations ({message}); use a "
            "bucket and a data set in one location."
        )
    if "resourcesExceeded" in reasons(error):
        return (
            f"--project {place.project}: BigQuery lacks room for a query ({message}); run the same command again later."
        )
    if "concurrent update" in message or "aborted due to" in message.lower():
        return (
            f"--dataset {place.dataset}: another job changed the same tables at that moment ({message}); nothing was "
            "swapped, run the same command again."
        )
    if error.code in {404, 409}:
        what = "has gone" if error.code == 404 else "is there already"
        return (
            f"--dataset {place.dataset}: what this publication needs {what} ({message}); was something else at work "
            "on the same tables? Run the same command again."
        )
    return None


def reasons(error: Any) -> set[str]:
    """The reasons that BigQuery gives for an error, such as ``accessDenied``; none when it was not BigQuery."""
    return {str(detail.get("reason")) for detail in getattr(error, "errors", None) or () if isinstance(detail, dict)}


def refusal(status: int | None, named: Iterable[str], message: str) -> str:
    """An answer in short, such as ``400 invalid: message``."""
    return f"{' '.join([str(status or ''), *sorted(named)]).strip()}: {message}"


def brief(error: Any) -> str:
    """Give the first line of a message, within bounds and without the request: an answer may be a whole page."""
    text = _REQUEST.sub("", str(getattr(error, "message", None) or error).strip(), count=1).strip()
    return text.splitlines()[0].partition(_SAID_AGAIN)[0][:300].rstrip(".") if text else type(error).__name__
