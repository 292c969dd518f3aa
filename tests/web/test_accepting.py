"""The Accept header: what it takes, in its order; and the answers that follow it."""

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from phnet.web.accepting import accepted
from phnet.web.problems import Problem
from tests.web.test_app import Client, composite, encoded, mask, problem, running

TYPES = ("image/png", "image/jpeg", "image/webp")


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("", TYPES),
        ("*/*", TYPES),
        ("image/*;q=0.3", TYPES),
        ("IMAGE/JPEG", ("image/jpeg",)),
        ("text/html, image/webp;q=0.9, image/jpeg;q=0.95", ("image/jpeg", "image/webp")),
        ("image/webp, */*;q=0.1", ("image/webp", "image/png", "image/jpeg")),
        ("image/png;q=0, image/*", ("image/jpeg", "image/webp")),
        ("image/png;q=x, image/jpeg", ("image/jpeg",)),
    ],
)
def test_types_are_taken_in_the_headers_order(header: str, taken: tuple[str, ...]) -> None:
    assert accepted(header, TYPES) == taken


def test_a_header_that_takes_none_is_refused() -> None:
    with pytest.raises(Problem, match="expected an Accept header that takes image/png or"):
        accepted("text/html", TYPES)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(workers=1, hosts=["a.example"]) as client:
        yield client


@pytest.mark.parametrize(
    ("header", "media"),
    [("*/*", "image/png"), ("image/jpeg", "image/jpeg"), ("image/webp,*/*;q=0.1", "image/png")],
)
def test_an_answer_is_of_a_type_that_is_taken(client: Client, header: str, media: str) -> None:
    parts = {"composite": encoded(composite()), "mask": encoded(mask())}
    status, headers, _ = client.harmonize({"Accept": header}, **parts)
    assert (status, headers["content-type"]) == (200, media)


def test_what_is_not_taken_is_told_before_any_work(client: Client) -> None:
    parts = {"composite": encoded(composite()), "mask": encoded(mask())}
    assert "Accept header" in problem(client.harmonize({"Accept": "text/html"}, **parts), 406)


def test_another_host_is_described(client: Client) -> None:
    problem(client.ask("GET", "/v1/models", headers={"Host": "b.example"}), 421)
    described = client.ask("GET", "/openapi.json")[2]
    assert described.count(b'"421"') >= 6
