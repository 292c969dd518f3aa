"""``phnet serve`` over real connections: answers, refusals, limits, and what the log may say."""

import http.client
import io
import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

import phnet  # noqa: E402
from phnet.compositing.composer import Composer  # noqa: E402
from phnet.compositing.placement import Place  # noqa: E402
from phnet.errors import BadModel  # noqa: E402
from phnet.harmonization.harmonizer import Harmonizer, find_model  # noqa: E402
from phnet.matting.matte import Matter  # noqa: E402
from phnet.web import app as web  # noqa: E402
from phnet.web.limits import Limits  # noqa: E402
from phnet.web.server import configured  # noqa: E402
from phnet.web.service import Service  # noqa: E402
from phnet.web.workers import Maker  # noqa: E402
from tests.waiting import PATIENCE, until  # noqa: E402
from tests.web.services import Two  # noqa: E402

Reply = tuple[int, dict[str, str], bytes]
BOUNDARY = "edge"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
DETAILS = {"type", "title", "status", "detail"}
SECRET_NAME = "holiday-with-anna.png"


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, kind, **options)
    return target.getvalue()


def composite(side: int = 64) -> np.ndarray:
    return np.asarray(Image.fromarray(astronaut()).resize((side, side)))


def mask(side: int = 64) -> np.ndarray:
    values = np.zeros((side, side), np.uint8)
    values[side // 4 :, side // 4 : 3 * side // 4] = 255
    return values


def form(**parts: bytes | str) -> bytes:
    """A multipart body: bytes as files, texts as options."""
    body = b""
    for name, value in parts.items():
        filename = f'; filename="{SECRET_NAME}"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else value.encode()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


class Client:
    """One server, asked over a new connection each time."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def harmonize(self, headers: dict[str, str] | None = None, **parts: bytes | str) -> Reply:
        return self.ask("POST", "/v1/harmonize", form(**parts), FORM | (headers or {}))

    def compose(self, **parts: bytes | str) -> Reply:
        return self.ask("POST", "/v1/compose", form(**parts), FORM)


@contextmanager
def running(
    token: str | None = None,
    make: Maker = Service,
    hosts: Iterable[str] | None = None,
    **limits: Any,
) -> Iterator[Client]:
    limits = {"seconds": PATIENCE, "head": PATIENCE, "unread": PATIENCE} | limits
    application = web.create_app(token, Limits(**limits), make, hosts)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configured(application, Limits(**limits)))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield Client(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def problem(reply: Reply, status: int) -> str:
    """The sentence of a refusal, which must be a whole problem."""
    got, headers, body = reply
    assert got == status, body
    assert headers["content-type"] == "application/problem+json"
    details = json.loads(body)
    assert set(details) == DETAILS
    assert details["status"] == status
    return str(details["detail"])


def until_metrics_say(client: Client, text: bytes) -> None:
    until(lambda: text in client.ask("GET", "/metrics")[2], text.decode())


def test_a_picture_comes_back_as_the_harmonizer_makes_it(client: Client) -> None:
    status, headers, body = client.harmonize(
        composite=encoded(composite()), mask=encoded(mask()), lift="lut", strength="0.5"
    )
    assert (status, headers["content-type"]) == (200, "image/png")
    expected = Harmonizer(threads=1).harmonize(composite(), mask(), lift="lut", strength=0.5)
    result = np.asarray(Image.open(io.BytesIO(body)))
    assert int(np.abs(result.astype(int) - expected).max()) <= 1
    assert (result != composite()).any()
    assert np.array_equal(result[mask() == 0], composite()[mask() == 0])


@pytest.mark.parametrize(
    ("kind", "media"),
    [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("TIFF", "image/tiff"), ("BMP", "image/png")],
)
def test_the_answer_has_the_composites_type(client: Client, kind: str, media: str) -> None:
    status, headers, body = client.harmonize(
        composite=encoded(composite(), kind), mask=encoded(mask())
    )
    assert (status, headers["content-type"]) == (200, media)
    with Image.open(io.BytesIO(body)) as image:
        assert (image.size, Image.MIME[image.format or ""]) == ((64, 64), media)


def test_without_a_mask_the_person_is_found(client: Client) -> None:
    status, headers, body = client.harmonize(composite=encoded(composite(160)))
    assert status == 200
    assert "person was found" in headers["phnet-notes"]
    result = np.asarray(Image.open(io.BytesIO(body)))
    assert (result[100:, 60:100] != composite(160)[100:, 60:100]).any()
    empty = client.harmonize(composite=encoded(np.full((64, 64, 3), 90, np.uint8)))
    assert "no person was found" in problem(empty, 422)


def test_notes_about_hostile_words_are_answered(client: Client) -> None:
    """A profile that names its colors in bytes which no header can carry (found by the fuzzer)."""
    profile = bytes(16) + b"\xd8\xff\\\r" + bytes(108)
    content = encoded(composite(), "TIFF", icc_profile=profile)
    status, headers, _ = client.harmonize(composite=content, mask=encoded(mask()))
    assert status == 200
    assert "its color profile is for no known space, not RGB" in headers["phnet-notes"]
    assert web._header("a\r\nb: \ud800 \u4eba \xe9") == "a??b: ? ? \xe9"


def test_an_inverted_mask_is_the_same_as_the_mask(client: Client) -> None:
    straight = client.harmonize(composite=encoded(composite()), mask=encoded(mask()))
    inverted = client.harmonize(
        composite=encoded(composite()), mask=encoded(255 - mask()), invert_mask="true"
    )
    assert straight[2] == inverted[2]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"composite": None, "mask": encoded(mask())}, "composite: expected a picture, got none"),
        ({"composite": b""}, "composite: expected a picture, got none"),
        ({"composite": "text"}, "composite: expected a file, got text"),
        ({"composite": b"no picture"}, "composite: expected an image"),
        ({"composite": encoded(composite())[:900]}, "composite: expected a whole image"),
        ({"mask": encoded(mask(32)[:16])}, "mask: expected the composite's aspect"),
        ({"mask": encoded(mask() * 0)}, "mask: expected a foreground"),
        ({"strength": "3"}, "strength: input should be less than or equal to 2"),
        ({"strength": "nan"}, "strength: input should be"),
        ({"lift": "cubic"}, "lift: input should be 'auto', 'guided', 'lut' or 'none'"),
        ({"resolution": "4096"}, "resolution: input should be"),
        ({"model": "../secret.onnx"}, "model: expected one of portrait"),
        ({"color": "red"}, "an unknown option: extra inputs are not permitted"),
        ({"save_look": "l.json"}, "save_look: expected a request without it; ask for the look by"),
        ({"save_parts": "parts"}, "save_parts: expected a request without it; ask for the steps"),
        ({"photo": b"1"}, "expected files named composite and mask"),
        ({"lift": "l" * 2000}, "the form cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    client: Client, parts: dict[str, Any], sentence: str
) -> None:
    whole = {"composite": encoded(composite())} | parts
    given = {name: part for name, part in whole.items() if part is not None}
    said = problem(client.harmonize(**given), 422)
    assert said.startswith(sentence)
    assert SECRET_NAME not in said


def test_the_look_is_answered_and_can_be_handed_in(client: Client) -> None:
    pictures = {"composite": encoded(composite()), "mask": encoded(mask())}
    wanted = "application/vnd.phnet.look+json"
    status, headers, look = client.harmonize({"Accept": f"{wanted}, */*;q=0.5"}, **pictures)
    assert status == 200
    assert headers["content-type"] == wanted
    assert "phnet_look" in json.loads(look)
    first, again = (
        np.asarray(Image.open(io.BytesIO(client.harmonize(**pictures, **more)[2])), int)
        for more in ({}, {"look": look})
    )
    assert np.abs(first - again).max() <= 1
    assert np.abs(first - composite()).max() > 3
    refused = problem(client.harmonize({"Accept": wanted}, **pictures, lift="none"), 422)
    assert refused.startswith("save_look: expected a field or a table of colors")


def test_compose_puts_the_person_where_it_is_asked_to(client: Client) -> None:
    scene = np.full((80, 120, 3), (40, 90, 150), np.uint8)
    parts = {"portrait": encoded(composite()), "background": encoded(scene, "TIFF")}
    status, headers, body = client.compose(mask=encoded(mask()), place="10,8,1.0", **parts)
    assert (status, headers["content-type"]) == (200, "image/tiff")
    result = np.asarray(Image.open(io.BytesIO(body)))
    expected = phnet.compose(composite(), scene, mask=mask(), place=(10, 8, 1))
    assert int(np.abs(result.astype(int) - expected).max()) <= 1
    inside = np.zeros((80, 120), bool)
    inside[8:72, 10:74] = mask() > 0
    assert np.array_equal(result[~inside], scene[~inside])
    assert (result[inside] != scene[inside]).any(-1).mean() > 0.9
    assert "cuts the person off" not in headers.get("phnet-notes", "")
    gray = encoded(np.full((50, 50), 128, np.uint8))
    status, _, body = client.compose(
        portrait=parts["portrait"], background=gray, mask=encoded(mask()), fit="cover"
    )
    assert status == 200
    assert Image.open(io.BytesIO(body)).mode == "RGB"
    for place in ("1,2", "nan,0,1", "1e9,0,1", "0,0,0", "0,0,999999", "9999,0,1"):
        problem(client.compose(mask=encoded(mask()), place=place, **parts), 422)
    assert problem(client.compose(portrait=gray), 422) == "background: expected a picture, got none"


def test_compose_lifts_as_it_is_asked_to(client: Client) -> None:
    scene = np.full((300, 300, 3), (40, 90, 150), np.uint8)
    parts = {"portrait": encoded(composite()), "mask": encoded(mask())}
    composer = Composer(Harmonizer(threads=1))
    cutout = composer.cut_out(composite(), mask())
    results = []
    for lift in ("auto", "guided", "lut", "none"):
        status, _, body = client.compose(
            background=encoded(scene), place="20,20,3", lift=lift, **parts
        )
        assert status == 200
        results.append(np.asarray(Image.open(io.BytesIO(body))).astype(int))
        expected = composer.compose(cutout, scene, Place(20, 20, 3), lift=lift).result
        assert int(np.abs(results[-1] - expected).max()) <= 1
    assert np.abs(results[1] - results[2]).max() > 3
    assert np.abs(results[1] - results[3]).max() > 3


def test_matte_finds_the_person(client: Client) -> None:
    def ask(**parts: bytes | str) -> Reply:
        return client.ask("POST", "/v1/matte", form(**parts), FORM)

    status, headers, body = ask(photo=encoded(composite(160)))
    assert (status, headers["content-type"]) == (200, "image/png")
    alpha = np.asarray(Image.open(io.BytesIO(body)))
    assert (alpha.shape, alpha.dtype) == ((160, 160), np.uint8)
    assert np.abs(alpha - Matter(threads=1).matte(composite(160)) * 255).max() <= 1
    assert alpha.min() < 10
    assert alpha.max() > 245
    empty = encoded(np.full((64, 64, 3), 90, np.uint8))
    assert "no person was found" in problem(ask(photo=empty), 422)
    assert "photo: expected a picture" in problem(ask(), 422)
    problem(ask(photo=empty, strength="1"), 422)


def test_models_are_listed_where_their_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {None: find_model(None), "int8": tmp_path / "portrait-int8.onnx"}
    there["int8"].write_bytes(there[None].read_bytes())

    def found(name: str | None) -> Path:
        if name not in there:
            raise BadModel("not here")
        return there[name]

    monkeypatch.setattr("phnet.web.service.find_model", found)
    monkeypatch.setattr("phnet.harmonization.harmonizer.find_model", Path)
    listed = Service(Limits(workers=1)).models().models
    assert [(model.name, model.default) for model in listed] == [
        ("portrait", True),
        ("int8", False),
    ]


def test_the_network_that_is_named_does_the_work() -> None:
    parts = {"composite": encoded(composite()), "mask": encoded(mask())}
    with running(make=Two, workers=1) as client:
        listed = json.loads(client.ask("GET", "/v1/models")[2])["models"]
        assert {"portrait", "unmoved"} <= {model["name"] for model in listed}
        for name, moved in (("unmoved", False), ("portrait", True)):
            body = client.harmonize(model=name, **parts)[2]
            assert (np.asarray(Image.open(io.BytesIO(body))) != composite()).any() == moved


def test_the_openapi_describes_the_form_and_the_refusals(client: Client) -> None:
    described = json.loads(client.ask("GET", "/openapi.json")[2])
    operation = described["paths"]["/v1/harmonize"]["post"]
    content = operation["requestBody"]["content"]["multipart/form-data"]
    names = {"composite", "mask", "lift", "strength", "resolution", "invert_mask", "model"}
    names |= {"light", "exposure", "warmth", "mask_class", "reference", "look", "each", "finish"}
    names |= {"clean_edges", "match_sharpness", "match_grain", "light_wrap"}
    assert set(content["schema"]["properties"]) == names
    assert content["examples"]
    assert {"200", "413", "415", "422", "429", "500", "503"} <= set(operation["responses"])
    for status, answer in operation["responses"].items():
        if status != "200":
            example = answer["content"]["application/problem+json"]["example"]
            assert (example["status"], set(example)) == (int(status), DETAILS)
    assert "Retry-After" in operation["responses"]["429"]["headers"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert "ProblemDetails" in references
    assert references <= set(described["components"]["schemas"])


def test_the_page_is_whole_and_asks_no_other_host(client: Client) -> None:
    status, headers, body = client.ask("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert client.ask("HEAD", "/")[::2] == (200, b"")
    text = body.decode()
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    links.append("remote.js")  # imported dynamically
    seen = {link for link in links if link.startswith("data:")}
    for link in links:
        if link not in seen:
            seen.add(link)
            status, _, part = client.ask("GET", f"/{link}")
            assert status == 200
            links += re.findall(r'from "\./(\w+\.js)"', part.decode())
            text += part.decode()
    assert not re.findall(r"(?:https?:)?//[a-z]", text)
    assert set(re.findall(r'find\("([\w-]+)"\)', text)) <= set(re.findall(r' id="([\w-]+)"', text))
