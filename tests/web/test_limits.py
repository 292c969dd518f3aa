"""What holds when a request goes wrong: time, crashes, memory, and nothing left behind."""

import http.client
import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from phnet.web.limits import Budget, Deadline
from tests.waiting import PATIENCE, until
from tests.web.services import Gate, Moody
from tests.web.test_app import (
    FORM,
    Client,
    composite,
    encoded,
    form,
    mask,
    problem,
    running,
    until_metrics_say,
)

PARTS = {"composite": encoded(composite()), "mask": encoded(mask())}


def in_the_end(client: Client) -> int:
    """The status of a good request that is sent again, while it is to be sent again."""
    statuses: list[int] = []

    def answered() -> bool:
        statuses.append(client.harmonize(**PARTS)[0])
        return statuses[-1] != 503

    until(answered)
    return statuses[-1]


def test_work_that_takes_too_long_is_broken_off_and_its_place_is_free_at_once() -> None:
    with running(make=Moody, workers=1, seconds=4) as client:
        reply = client.harmonize(strength="0.25", **PARTS)  # would take hours
        assert "more than 4 seconds" in problem(reply, 503)
        assert int(reply[1]["retry-after"]) > 0
        assert in_the_end(client) == 200  # the only worker was in the middle of C code
        until_metrics_say(client, b"phnet_places_taken 0.0")
        assert b"phnet_workers_killed 1.0" in client.ask("GET", "/metrics")[2]


def test_a_crash_and_an_error_inside_cost_one_answer_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(make=Moody, workers=1) as client, caplog.at_level(logging.INFO, "phnet"):
        crashed = problem(client.harmonize(strength="0.5", **PARTS), 500)
        assert crashed.endswith("ended unexpectedly: it crashed (SIGSEGV)")
        assert "not the request's" in problem(client.harmonize(strength="0.75", **PARTS), 500)
        assert client.harmonize(**PARTS)[0] == 200
    assert "ZeroDivisionError" in caplog.text
    assert "tests/web/services.py" in caplog.text.replace("\\", "/")  # where, but not what it said
    assert "portrait quoted" not in caplog.text


def test_a_request_that_waits_for_all_of_its_time_is_given_up(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with running(make=gate, workers=1, seconds=3) as client, ThreadPoolExecutor(3) as many:
        statuses = [many.submit(client.harmonize, **PARTS) for _ in range(3)]
        assert [status.result()[0] for status in statuses] == [503, 503, 503]
        gate.open()
        assert in_the_end(client) == 200


@contextmanager
def asked(client: Client) -> Iterator[http.client.HTTPConnection]:
    """A request that was sent, by a client that does not wait for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    connection.request("POST", "/v1/harmonize", form(**PARTS), FORM)
    yield connection
    connection.close()


def test_long_work_for_a_client_that_has_gone_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(tmp_path)
    hour = running(make=gate, workers=1, seconds=3600)
    with hour as client, caplog.at_level(logging.INFO, "phnet"):
        with asked(client):
            gate.wait_until_begun(1)
            with asked(client):  # waits for the only worker
                until_metrics_say(client, b"phnet_places_taken 2.0")
            until_metrics_say(client, b"phnet_places_taken 1.0")
        until_metrics_say(client, b"phnet_places_taken 0.0")  # though it has an hour
        assert b"phnet_workers_killed 1.0" in client.ask("GET", "/metrics")[2]
        gate.open()
        assert client.harmonize(**PARTS)[0] == 200
    assert len(list(tmp_path.glob("begun-*"))) == 2
    assert caplog.text.count("POST /v1/harmonize 400") == 2


def test_short_work_for_a_client_that_has_gone_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phnet.web.pool.SECONDS_FOR_NOBODY", PATIENCE)
    gate = Gate(tmp_path)
    with running(make=gate, workers=1) as client:
        with asked(client):
            gate.wait_until_begun(1)
        gate.open()
        until_metrics_say(client, b"phnet_places_taken 0.0")
        assert client.harmonize(**PARTS)[0] == 200
        assert b"phnet_workers_killed 0.0" in client.ask("GET", "/metrics")[2]


def test_health_answers_while_ten_requests_are_held(tmp_path: Path) -> None:
    """A loop that work blocked would not answer before the gate is opened, which comes after."""
    large = {"composite": encoded(composite(1200), "JPEG"), "mask": encoded(mask(1200))}
    gate = Gate(tmp_path)
    with running(make=gate, workers=2) as client, ThreadPoolExecutor(10) as many:
        replies = [many.submit(client.harmonize, **large) for _ in range(10)]
        try:
            gate.wait_until_begun(2)
            until_metrics_say(client, b"phnet_places_taken 10.0")
            for _ in range(10):
                assert json.loads(client.ask("GET", "/healthz")[2]) == {"status": "ok"}
            assert not any(reply.done() for reply in replies)
        finally:
            gate.open()
        assert [reply.result()[0] for reply in replies] == [200] * 10


def test_a_budget_is_never_overdrawn_and_the_first_who_waits_is_the_first_served() -> None:
    budget = Budget(10)
    order: list[int] = []
    with budget.hold(6, Deadline(0)):
        with pytest.raises(TimeoutError), budget.hold(5, Deadline(0.01)):
            pass
        assert budget.held == 6

        def wait(amount: int) -> None:
            with budget.hold(amount, Deadline(PATIENCE)):
                assert budget.held <= 10
                order.append(amount)

        waiting = []
        for amount in (50, 2, 3):  # 50 gets all there is; 2 would fit but came later
            waiting.append(threading.Thread(target=wait, args=(amount,)))
            waiting[-1].start()
            until(lambda: len(budget._waiting) == len(waiting))
        assert order == []
    for thread in waiting:
        thread.join()
    assert order[0] == 50
    assert sorted(order) == [2, 3, 50]
    assert budget.held == 0


def test_large_pictures_wait_for_each_other(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    pixels = 2 * 64 * 64  # of one request: composite and mask
    with (
        running(make=gate, workers=2, pixels_at_once=pixels * 3 // 2) as client,
        ThreadPoolExecutor(2) as many,
    ):
        held = [many.submit(client.harmonize, **PARTS) for _ in range(2)]
        gate.wait_until_begun(1)
        until_metrics_say(client, f"phnet_pixels_held {float(pixels)}".encode())
        until_metrics_say(client, b"phnet_places_taken 2.0")
        time.sleep(0.5)  # for the other one to begin, if it were let
        assert len(list(tmp_path.glob("begun-*"))) == 1  # though a worker is free
        gate.open()
        assert [future.result()[0] for future in held] == [200, 200]
        until_metrics_say(client, b"phnet_pixels_held 0.0")


def test_large_bodies_are_turned_away_while_others_are_here(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    size = len(PARTS["composite"]) + len(PARTS["mask"])
    with running(make=gate, workers=1, bodies=2 * size) as client, ThreadPoolExecutor(1) as many:
        held = many.submit(client.harmonize, **PARTS)
        gate.wait_until_begun(1)
        assert "try again" in problem(client.harmonize(**PARTS), 429)
        gate.open()
        assert held.result()[0] == 200
        assert client.harmonize(**PARTS)[0] == 200
