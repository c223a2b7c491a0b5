"""An example for Airflow 3: label the catalog on Dataflow each day, then publish the tables to BigQuery.

The exit status is all that the two tasks need to know of Earmark: 0 is success; 2 (a wrong flag, config or catalog) and
3 (a gate refused to publish) are not tried again, since the same command would end the same way; 3 calls for a person;
anything else is tried again. A command that runs again for the same date publishes the same rows.
"""

from __future__ import annotations

import datetime
import logging
import os
from typing import Any

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# Where Earmark is installed, and what it works on: the environment of Airflow's workers says, or this file.
PYTHON = os.environ.get("EARMARK_PYTHON", "/srv/earmark/.venv/bin/python")
PROJECT = os.environ.get("EARMARK_PROJECT", "my-project")
REGION = os.environ.get("EARMARK_REGION", "europe-west1")
BUCKET = os.environ.get("EARMARK_BUCKET", "gs://my-bucket")
IMAGE = os.environ.get("EARMARK_IMAGE", f"images.example/{PROJECT}/earmark/worker:1")
DATASET = os.environ.get("EARMARK_DATASET", "earmark")

TABLES = f"{BUCKET}/earmark"
LABEL = [
    PYTHON, "-m", "pipelines.categorize_tracks", "--run_date", "{{ ds }}",
    "--catalog", f"{BUCKET}/catalog/{{{{ ds }}}}/*.parquet", "--audio_root", f"{BUCKET}/audio", "--output", TABLES,
    "--previous", TABLES,  # labels of unchanged audio are carried forward from the last run, where there is one
    "--config", f"{BUCKET}/config/dataflow.yaml", "--policy", "spotify",
    "--runner", "DataflowRunner", "--project", PROJECT, "--region", REGION, "--temp_location", f"{BUCKET}/dataflow",
    "--sdk_container_image", IMAGE, "--machine_type", "e2-standard-4", "--disk_size_gb", "50",
    "--number_of_worker_harness_threads", "4", "--max_num_workers", "20", "--no_use_public_ips",
]  # fmt: skip
PUBLISH = [
    PYTHON, "-m", "pipelines.publish_tables", "--tables", TABLES, "--run_date", "{{ ds }}",
    "--project", PROJECT, "--dataset", DATASET,
]  # fmt: skip


class GateRefusedError(AirflowFailException):
    """A gate refused to publish: somebody has to look at the figures."""


class EarmarkOperator(BaseOperator):
    """Run one of Earmark's commands and go by its exit status.

    Parameters
    ----------
    command
        Program and arguments; no shell reads them. Templated.
    """

    template_fields = ("command",)

    def __init__(self, *, command: list[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.command = command

    def execute(self, context: Any) -> None:
        """Run the command.

        Raises
        ------
        GateRefusedError
            Status 3: fails without another try, and calls for a person.
        AirflowFailException
            Status 2: fails without another try.
        AirflowException
            Any other status but 0: tried again.
        """
        self._process = SubprocessHook()
        status, last_line = self._process.run_command(self.command)
        if status == 3:
            raise GateRefusedError(f"a gate refused to publish: {last_line}")
        if status == 2:
            raise AirflowFailException(last_line)
        if status != 0:
            raise AirflowException(f"status {status}: {last_line}")

    def on_kill(self) -> None:
        """SIGTERM: Earmark cancels its job on Dataflow before it ends."""
        self._process.send_sigterm()


def alert(context: Any) -> None:
    """Tell somebody; put a message to your pager in here."""
    if isinstance(context.get("exception"), GateRefusedError):
        logging.getLogger(__name__).error("EARMARK GATE: %s, %s", context.get("ds"), context["exception"])


with DAG(
    "earmark",
    description="Label the catalog and publish the tables",
    schedule="15 3 * * *",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,  # on an object store, of two runs for one date the earlier gives up
    default_args={
        "retries": 2,
        "retry_delay": datetime.timedelta(minutes=10),
        "on_failure_callback": alert,
    },
) as dag:
    label = EarmarkOperator(task_id="label", command=LABEL, execution_timeout=datetime.timedelta(hours=20))
    publish = EarmarkOperator(task_id="publish", command=PUBLISH, execution_timeout=datetime.timedelta(hours=1))
    label >> publish
