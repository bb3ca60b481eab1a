"""Airflow's REST API, as far as the stack and its tests drive it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from local.processes import StackError

RUN_ENDED = frozenset({"success", "failed"})
_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class AirflowApi:
    """A logged-in client of one Airflow. ``url`` has no trailing slash."""

    url: str
    user: str
    password: str = field(repr=False)
    _session: requests.Session = field(default_factory=requests.Session, init=False, repr=False)

    def __post_init__(self) -> None:
        self._session.trust_env = False  # a proxy of the machine must not see loopback

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """One request below ``/api/v2``; logs in when there is no valid login. HTTP errors are returned, not raised."""
        return self._logged_in(method, f"api/v2/{path}", body)

    def read(self, path: str) -> Any:  # noqa: ANN401 - whatever the page holds
        """The JSON of a page that a plugin serves, with this login; raises StackError for anything else."""
        answer = self._logged_in("GET", path, None)
        _expect_ok(answer, f"page {path}")
        return answer.json()

    def _logged_in(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        answer = self._send(method, path, body)
        if answer.status_code == requests.codes.unauthorized:
            self._log_in()
            answer = self._send(method, path, body)
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        address = f"{self.url}/{path}"
        return self._session.request(method, address, json=body, timeout=_PATIENCE_SECONDS, allow_redirects=False)

    def _log_in(self) -> None:
        login = {"username": self.user, "password": self.password}
        answer = self._session.post(f"{self.url}/auth/token", json=login, timeout=_PATIENCE_SECONDS)
        if not answer.ok:
            raise StackError("Airflow refuses the login", answer.text[:300], "make down, then make demo")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def ailments(self) -> list[str]:
        """What keeps DAGs from running: the API does not answer, or sees no live scheduler or DAG processor."""
        try:
            answer = self._send("GET", "api/v2/monitor/health", None)
            parts = answer.json() if answer.ok else {}
        except requests.RequestException as error:
            return [f"the API does not answer ({type(error).__name__})"]
        seen = {part: parts.get(part, {}).get("status") for part in ("scheduler", "dag_processor")}
        return [f"{part} is {status or 'not heard of'}" for part, status in seen.items() if status != "healthy"]

    def set_pool(self, name: str, pool: dict[str, Any]) -> None:
        """Create or change a pool."""
        answer = self.call("POST", "pools", {"name": name, **pool})
        if answer.status_code == requests.codes.conflict:
            answer = self.call("PATCH", f"pools/{name}", {"name": name, **pool})
        _expect_ok(answer, f"pool {name}")

    def unpause(self, dag_id: str) -> bool:
        """Let the DAG's schedule run; False while Airflow has not parsed the DAG yet."""
        return self._set_paused(dag_id, paused=False)

    def pause(self, dag_id: str) -> bool:
        """Let the DAG start no further run; False while Airflow has not parsed the DAG yet."""
        return self._set_paused(dag_id, paused=True)

    def _set_paused(self, dag_id: str, *, paused: bool) -> bool:
        answer = self.call("PATCH", f"dags/{dag_id}", {"is_paused": paused})
        if answer.status_code == requests.codes.not_found:
            return False
        _expect_ok(answer, f"DAG {dag_id}")
        return True

    def import_errors(self) -> list[str]:
        """What keeps DAG files from being parsed, one text a file."""
        answer = self.call("GET", "importErrors")
        _expect_ok(answer, "import errors")
        return [f"{found['filename']}: {found['stack_trace'].strip()}" for found in answer.json()["import_errors"]]

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> requests.Response:
        """Ask for a run now, as the UI does; the answer has ``dag_run_id``, or says what is wrong with ``conf``."""
        return self.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's newest 50 runs, newest first."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns?order_by=-id&limit=50")
        _expect_ok(answer, f"runs of {dag_id}")
        found: list[dict[str, Any]] = answer.json()["dag_runs"]
        return found

    def wait_for_run(self, dag_id: str, run_id: str, *, seconds: float) -> str:
        """The state in which the run ended; raises StackError, with what is seen of it, if it has not in ``seconds``.

        An API server that is too busy to answer is asked again.
        """
        deadline = time.monotonic() + seconds
        while (state := self._state_of(dag_id, run_id)) not in RUN_ENDED:
            if time.monotonic() > deadline:
                tasks = [f"{task['task_id']} {task['state']}" for task in self.tasks(dag_id, run_id)]
                raise StackError(
                    f"run {run_id} of {dag_id} has not ended after {seconds:.0f} s",
                    f"it is {state}; tasks: {', '.join(tasks) or 'none'}",
                    f"look at {self.url}/dags/{dag_id}/runs/{run_id}",
                )
            time.sleep(0.5)
        return state

    def _state_of(self, dag_id: str, run_id: str) -> str:
        """The state of a run, or why it is unknown at the moment; raises StackError for a run that there is not."""
        try:
            answer = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")
        except requests.RequestException as error:
            return f"unknown: {type(error).__name__}"
        if answer.status_code >= requests.codes.server_error:
            return f"unknown: Airflow answered {answer.status_code}"
        _expect_ok(answer, f"run {run_id}")
        return str(answer.json()["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run, at most 100, with their states and times."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        _expect_ok(answer, f"tasks of {run_id}")
        found: list[dict[str, Any]] = answer.json()["task_instances"]
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:  # noqa: ANN401 - whatever the task returned
        """What a task of the run returned, or None when it returned nothing."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        answer = self.call("GET", path)
        if answer.status_code == requests.codes.not_found:
            return None
        _expect_ok(answer, f"result of {task_id}")
        return answer.json()["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1) -> str:
        """The text of a task's log."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}?full_content=true"
        answer = self.call("GET", path)
        _expect_ok(answer, f"log of {task_id}")
        return answer.text

    def first_error(self, dag_id: str, run_id: str) -> str:
        """The first failed task of a run and its exception, for a reader who has not opened the page yet."""
        answer = self.call(
            "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?state=failed&order_by=end_date&limit=1"
        )
        _expect_ok(answer, f"tasks of {run_id}")
        for task in answer.json()["task_instances"]:
            path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
            log = self.call("GET", f"{path}?map_index={task['map_index']}&full_content=true")
            error = _last_error(log.json()["content"]) if log.ok else ""
            return f"{task['task_id']}: {error or 'see its log'}"
        return "no task failed"


def _last_error(entries: Iterable[object]) -> str:
    """The last exception that a structured task log tells of; empty when there is none."""
    found = ""
    for entry in entries:
        for detail in (entry.get("error_detail") or []) if isinstance(entry, dict) else []:
            found = f"{detail['exc_type']}: {detail['exc_value']}"
    return found


def _expect_ok(answer: requests.Response, what: str) -> None:
    if not answer.ok:
        raise StackError(what, f"Airflow answered {answer.status_code}: {answer.text[:300]}", "look at .local/logs")
