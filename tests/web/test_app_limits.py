"""``phnet serve`` within its limits: what is refused, turned away, given up, and never logged."""

import json
import logging
import socket
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

from phnet.harmonization.harmonizer import Harmonizer  # noqa: E402
from tests.waiting import PATIENCE, until  # noqa: E402
from tests.web.services import Gate  # noqa: E402
from tests.web.test_app import (  # noqa: E402
    BOUNDARY,
    FORM,
    SECRET_NAME,
    Client,
    composite,
    encoded,
    form,
    mask,
    problem,
    running,
    until_metrics_say,
)


def test_broken_requests_are_refused(client: Client) -> None:
    assert "multipart" in problem(client.ask("POST", "/v1/harmonize", b"{}"), 415)
    for kind in ("multipart/form-data", "multipart/form-data; boundary=other"):
        reply = client.ask("POST", "/v1/harmonize", form(composite=b"1"), {"Content-Type": kind})
        problem(reply, 422)
    assert "/openapi.json" in problem(client.ask("GET", "/v1/harmonize"), 405)
    problem(client.ask("GET", "/nothing"), 404)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    bomb = bytearray(encoded(composite(8)))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    with running(workers=1) as client:
        said = problem(client.harmonize(composite=bytes(bomb), mask=encoded(mask())), 422)
    assert said == "composite: expected at most 50 megapixels, got 60000x60000"


def test_a_large_body_is_refused_while_it_is_read() -> None:
    with running(workers=1, body=3 << 20) as client:
        declared = problem(client.harmonize(composite=b"\0" * (4 << 20)), 413)
        endless = form(composite=b"\0" * (4 << 20))
        chunks = (endless[i : i + 65536] for i in range(0, len(endless), 65536))
        chunked = problem(client.ask("POST", "/v1/harmonize", chunks, FORM), 413)
    assert declared == chunked == "expected a request of at most 3 MiB"


def test_uploads_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rolled = []
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_, **__: rolled.append(1))
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    upload = encoded(noise, compress_level=1)
    assert len(upload) > 2 << 20  # python-multipart's own limit is 1 MB
    with running(workers=1) as client:
        status, _, _ = client.harmonize(composite=upload, mask=encoded(mask()), strength="0.1")
    assert (status, rolled) == (200, [])


def test_beyond_the_queue_requests_are_turned_away(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    parts = {"composite": encoded(composite()), "mask": encoded(mask())}
    with running(make=gate, workers=2, waiting=1) as client, ThreadPoolExecutor(3) as many:
        held = [many.submit(client.harmonize, **parts) for _ in range(3)]
        gate.wait_until_begun(2)
        until_metrics_say(client, b"phnet_places_taken 3.0")
        reply = client.harmonize(**parts)
        assert "try again" in problem(reply, 429)
        assert int(reply[1]["retry-after"]) > 0
        assert json.loads(client.ask("GET", "/healthz")[2]) == {"status": "ok"}
        gate.open()
        assert [future.result()[0] for future in held] == [200, 200, 200]
        text = client.ask("GET", "/metrics")[2].decode()
    route = 'method="POST",route="/v1/harmonize"'
    assert f'phnet_requests_total{{{route},status="200"}} 3.0' in text
    assert f'phnet_requests_total{{{route},status="429"}} 1.0' in text
    assert "phnet_places_taken 0.0" in text


def test_a_request_that_arrives_too_slowly_is_given_up() -> None:
    with running(workers=1, seconds=0.5) as client:
        slow = socket.create_connection(("127.0.0.1", client.port))
        with slow:
            head = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 999"
            slow.sendall(f"POST /v1/harmonize HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n--".encode())
            slow.settimeout(PATIENCE)
            assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_v1_asks_for_the_token_where_there_is_one() -> None:
    with running("correct-horse", workers=1) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
            reply = client.ask("GET", "/v1/models", None, headers)
            assert "bearer token" in problem(reply, 401)
            assert reply[1]["www-authenticate"] == "Bearer"
            problem(client.harmonize(headers, composite=b"1"), 401)
        given = {"Authorization": "Bearer correct-horse"}
        models = json.loads(client.ask("GET", "/v1/models", None, given)[2])["models"]
        assert client.ask("GET", "/healthz")[0] == 200
        problem(client.harmonize(given, composite=b"1"), 422)
    card = Harmonizer(threads=1).card
    assert models[0] == {
        "name": "portrait",
        "default": True,
        "resolution": card.resolution,
        "parameters": card.about["parameters"],
        "light": card.light,
    }


def test_the_log_has_routes_but_no_names_and_no_addresses(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "phnet"):
        client.harmonize(composite=encoded(composite()), mask=encoded(mask()))
        client.ask("GET", f"/{SECRET_NAME}?{SECRET_NAME}")
        until(lambda: "(none) 404" in caplog.text)  # the line comes after the answer
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("phnet")]
    assert any(line.startswith("POST /v1/harmonize 200 ") for line in lines)
    assert any(line.startswith("- (none) 404 ") for line in lines)
    assert SECRET_NAME not in caplog.text
    metrics = client.ask("GET", "/metrics")[2].decode()
    assert SECRET_NAME not in metrics
