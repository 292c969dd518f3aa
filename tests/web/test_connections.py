"""Half-sent heads, answers that nobody reads, too many connections, other hosts, invented words."""

import json
import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from phnet.web.forms import Form, MatteOptions
from phnet.web.limits import Limits
from phnet.web.server import hosts
from phnet.web.service import Answer
from tests.waiting import PATIENCE, until
from tests.web.services import Echo
from tests.web.test_app import (
    FORM,
    Client,
    composite,
    encoded,
    form,
    problem,
    running,
    until_metrics_say,
)

PHOTO = encoded(composite(8))
LARGE = 48 << 20  # bytes: more than the sockets of a connection hold


class Large(Echo):
    """Answers with very much."""

    def matte(self, _: Form[MatteOptions]) -> Answer:
        return Answer(bytes(LARGE), "image/png", [])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(make=Large, workers=1, connections=20) as client:
        yield client


def opened(client: Client) -> socket.socket:
    return socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)


def rest(line: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    got = b""
    try:
        while part := line.recv(1 << 20):
            got += part
    except ConnectionResetError:
        return got + b"(reset)"
    return got


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y"])
def test_a_head_that_does_not_come_whole_is_not_waited_for(head: bytes) -> None:
    with running(make=Large, workers=1, head=3) as client, opened(client) as line:
        line.sendall(head)
        said = rest(line)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["detail"] == (
        "expected the head of a request within 3 seconds"
    )


def test_an_answer_that_nobody_reads_is_dropped_and_what_it_held_is_free() -> None:
    body = form(photo=PHOTO)
    head = f"POST /v1/matte HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {FORM['Content-Type']}\r\n\r\n"
    with running(make=Large, workers=1, unread=4) as client, opened(client) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(head.encode() + body)
        until_metrics_say(client, b"phnet_bytes_held 5.0331648e+07")
        until_metrics_say(client, b"phnet_bytes_held 0.0")  # with the client still there


def test_an_answer_that_is_read_comes_whole(client: Client) -> None:
    reply = client.ask("POST", "/v1/matte", form(photo=PHOTO), FORM)
    assert reply[0] == 200
    assert reply[1]["content-length"] == str(LARGE)
    assert reply[2] == bytes(LARGE)


def test_connections_beyond_the_bound_are_told_so_and_later_ones_are_served() -> None:
    with running(make=Large, workers=1, connections=3) as client:
        lines = [opened(client) for _ in range(3)]
        with opened(client) as line:
            said = rest(line)
        for each in lines:
            each.close()
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 2\r\n" in said
        assert b"too many connections" in said
        until(lambda: client.ask("GET", "/healthz")[0] == 200)


def test_few_open_files_make_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    found = []
    for files in (40, 256, 1024, resource.RLIM_INFINITY):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        found.append(Limits().connections)
    assert found == [8, 104, 256, 256]


def test_invented_methods_and_paths_make_no_labels(client: Client) -> None:
    for number in range(30):
        client.ask(f"INVENTED{number}", "/v1/matte")
        client.ask(f"INVENTED{number}", f"/nothing/{number}")
    said = client.ask("GET", "/metrics")[2]
    assert b"INVENTED" not in said
    assert b'phnet_requests_total{method="other",route="/v1/matte",status="405"} 30.0' in said


def test_a_refused_upload_gets_its_sentence(client: Client) -> None:
    body = form(photo=bytes(8 << 20))
    reply = client.ask("POST", "/v1/matte", body, {"Content-Type": "text/plain"})
    assert "multipart/form-data" in problem(reply, 415)
    reply = client.ask("POST", "/v1/nothing", body, FORM)
    assert "nothing at this address" in problem(reply, 404)


def test_who_waits_to_be_asked_for_the_body_is_refused_without_it(client: Client) -> None:
    with opened(client) as line:
        line.sendall(
            b"POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        said = rest(line)
    assert said.startswith(b"HTTP/1.1 404 ")


def test_the_host_header_is_checked_where_only_this_machine_listens() -> None:
    assert hosts("0.0.0.0", "") is None
    assert hosts("127.0.0.1", "*") is None
    assert hosts("127.0.0.1", "a.example,*") is None
    assert list(hosts("0.0.0.0", "a.example") or ()) == ["a.example"]
    local = hosts("127.0.0.1", "demo.example, other.example")
    assert local is not None
    with running(make=Large, hosts=local, workers=1) as client:

        def status(host: str) -> int:
            return client.ask("GET", "/healthz", headers={"Host": host})[0]

        for known in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.0.0.2", "LOCALHOST"):
            assert status(known) == 200, known
        assert status("demo.example:8000") == 200
        for other in ("evil.example", "evil.example:80", "localhost.evil.example", "", "10.0.0.1"):
            assert status(other) == 421, other
        reply = client.ask("GET", "/healthz", headers={"Host": "evil.example"})
        assert "expected the Host header to name" in problem(reply, 421)
