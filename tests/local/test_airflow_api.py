"""The client of Airflow's API: how it waits for a run, and what it says of one that does not end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.airflow_api import AirflowApi
from local.processes import StackError

Answer = tuple[int, object]

RUNNING: Answer = (200, {"state": "running"})
BUSY: Answer = (503, "the database is busy")
TASKS: Answer = (
    200,
    {"task_instances": [{"task_id": "plan_calls", "state": "success"}, {"task_id": "x", "state": None}]},
)


class Server:
    """Answers about the run ``r`` in turn, the last one for ever; whatever else is asked gets its tasks."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[Answer] = []

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = served.next() if self.path.endswith("/r") else TASKS
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        served.url = f"http://127.0.0.1:{listening.server_port}"
        yield served
        listening.shutdown()
        thread.join()


def test_a_server_that_is_too_busy_to_answer_is_asked_again(server: Server) -> None:
    server.answers = [BUSY, RUNNING, (200, {"state": "success"})]
    assert AirflowApi(server.url, "admin", "x").wait_for_run("d", "r", seconds=60) == "success"


@pytest.mark.parametrize(("last", "seen"), [(RUNNING, "it is running"), (BUSY, "it is unknown: Airflow answered 503")])
def test_a_run_that_does_not_end_is_told_with_what_was_seen_of_it(server: Server, last: Answer, seen: str) -> None:
    server.answers = [last]
    with pytest.raises(StackError) as failure:
        AirflowApi(server.url, "admin", "x").wait_for_run("d", "r", seconds=0)
    assert failure.value.why == f"{seen}; tasks: plan_calls success, x None"


def test_a_run_that_there_is_not_is_not_waited_for(server: Server) -> None:
    server.answers = [(404, "no such run")]
    with pytest.raises(StackError, match="404"):
        AirflowApi(server.url, "admin", "x").wait_for_run("d", "r", seconds=3600)


def test_an_api_that_does_not_answer_is_an_ailment_with_its_name() -> None:
    assert AirflowApi("http://127.0.0.1:1", "admin", "x").ailments() == ["the API does not answer (ConnectionError)"]
