"""The example for Airflow, under a real Airflow in an environment of its own: ``make test-airflow``."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "configs" / "airflow" / "earmark_dag.py"
#: A Python that has Earmark.
EARMARK = os.environ.get("EARMARK_PYTHON", str(ROOT / ".venv" / "bin" / "python"))


@pytest.fixture(scope="module")
def dag(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    os.environ["AIRFLOW_HOME"] = str(home)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(FILE))
    assert bag.import_errors == {}
    (found,) = bag.dags.values()
    return found


@pytest.fixture(scope="module")
def module(dag):
    return sys.modules[type(dag.get_task("label")).__module__]


def operator(module, code: str):
    return module.EarmarkOperator(task_id="trial", command=[sys.executable, "-c", code])


def rendered(dag, task: str) -> list[str]:
    copy = dag.get_task(task).prepare_for_execution()
    copy.render_template_fields({"ds": "2026-01-31"})
    return copy.command


def test_one_run_at_a_time_and_the_past_is_left_alone(dag):
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_tables_are_published_after_labelling(dag):
    assert dag.get_task("label").downstream_task_ids == {"publish"}
    assert {task.task_id for task in dag.tasks} == {"label", "publish"}


@pytest.mark.parametrize("task", ["label", "publish"])
def test_crashes_are_tried_again_and_somebody_may_be_told(dag, module, task):
    found = dag.get_task(task)
    assert found.retries == 2
    assert found.on_failure_callback in (module.alert, [module.alert])


@pytest.mark.parametrize("task", ["label", "publish"])
def test_the_date_is_that_of_the_run(dag, task):
    command = rendered(dag, task)
    assert command[command.index("--run_date") + 1] == "2026-01-31"
    assert not any("{{" in word for word in command)


@pytest.mark.parametrize("task", ["label", "publish"])
def test_the_commands_are_modules_with_flags_of_theirs(dag, task):
    """Asked of an environment that has Earmark, by the flags that its help lists or that Beam knows."""
    command = rendered(dag, task)
    name = command[2]
    ended = subprocess.run([EARMARK, "-m", name, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    others = [word for word in command if word.startswith("--") and word not in ended.stdout]
    code = (
        "import json, sys\n"
        "from pipelines.command_line import check_beam_flags\n"
        "check_beam_flags(json.loads(sys.argv[1]), [])\n"
    )
    at = {word: command[i + 1 : i + 2] for i, word in enumerate(command) if word in others}
    beam = [part for word, value in at.items() for part in (word, *(v for v in value if not v.startswith("--")))]
    ended = subprocess.run([EARMARK, "-c", code, json.dumps(beam)], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_status_0_is_success(module):
    operator(module, "print('done')").execute({})


def test_status_2_fails_without_another_try_and_says_why(module):
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="--catalog: is missing") as raised:
        operator(module, "print('earmark: --catalog: is missing'); raise SystemExit(2)").execute({})
    assert not isinstance(raised.value, module.GateRefusedError)


def test_status_3_fails_without_another_try_and_calls_somebody(module, caplog):
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(module.GateRefusedError) as raised:
        operator(module, "print('label drift 12 %'); raise SystemExit(3)").execute({})
    assert isinstance(raised.value, AirflowFailException)
    module.alert({"exception": raised.value, "ds": "2026-01-31"})
    assert "EARMARK GATE: 2026-01-31, a gate refused to publish: label drift 12 %" in caplog.text


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "import os; os.kill(os.getpid(), 9)"])
def test_a_crash_is_tried_again_and_calls_nobody(module, code, caplog):
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with pytest.raises(AirflowException) as raised:
        operator(module, code).execute({})
    assert not isinstance(raised.value, AirflowFailException)
    module.alert({"exception": raised.value, "ds": "2026-01-31"})
    assert "EARMARK GATE" not in caplog.text


def test_a_task_that_is_killed_passes_sigterm_on(module):
    from airflow.sdk.exceptions import AirflowException

    task = operator(module, "import time; time.sleep(600)")

    def kill() -> None:
        while getattr(getattr(task, "_process", None), "sub_process", None) is None:
            time.sleep(0.01)
        task.on_kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(AirflowException, match=f"status {-signal.SIGTERM}"):
        task.execute({})
    thread.join()
