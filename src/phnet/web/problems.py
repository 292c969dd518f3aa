"""Errors as ``application/problem+json`` (RFC 9457), each with a sentence."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from phnet.errors import PHNetError

MEDIA_TYPE = "application/problem+json"
UNFORESEEN = "something went wrong here, which is not the request's fault"
_log = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818 - the RFC's name
    """A request that is refused."""

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class ProblemDetails(BaseModel):
    """Problem details of a refusal (RFC 9457)."""

    type: str = Field("about:blank", description="Always about:blank: the status says it all.")
    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(
        description="One sentence: what was expected, and what came.",
        examples=["mask: expected the composite's aspect (640x480), got 100x100"],
    )


# For the OpenAPI: what each refusal means, and a sentence as an example.
MEANINGS = {
    400: (
        "The connection was closed too early.",
        "the connection was closed before the form was whole",
    ),
    401: ("The token is missing or wrong.", "expected the server's bearer token"),
    406: (
        "The client takes none of the types that there are.",
        "expected an Accept header that takes image/png or image/jpeg",
    ),
    408: ("The request arrives too slowly.", "expected the whole request within 30 seconds"),
    413: ("The request is too large.", "expected a request of at most 64 MiB"),
    415: ("The request is no form.", "expected a form of the type multipart/form-data"),
    421: (
        "The Host header names another server.",
        "expected the Host header to name 127.0.0.1 or localhost",
    ),
    422: ("A picture or an option cannot be used.", "composite: expected a picture, got none"),
    429: (
        "There are too many requests; ask again after Retry-After seconds.",
        "all 16 places in the queue are taken; try again soon",
    ),
    500: ("The server's own fault.", UNFORESEEN),
    503: (
        "It cannot be done in time, or was not; ask again after Retry-After seconds.",
        "the work took more than 30 seconds and was given up",
    ),
}
_SECONDS = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}, "example": 2}}
_SCHEME = {"WWW-Authenticate": {"schema": {"type": "string"}, "example": "Bearer"}}
HEADERS: dict[int, dict[str, Any]] = {401: _SCHEME, 429: _SECONDS, 503: _SECONDS}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation, for its OpenAPI."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        meaning, sentence = MEANINGS[status]
        schema = {"$ref": "#/components/schemas/ProblemDetails"}
        example = details(status, sentence).model_dump()
        described[status] = {
            "description": meaning,
            "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
        }
        if status in HEADERS:
            described[status]["headers"] = HEADERS[status]
    return described


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    @app.exception_handler(Problem)
    async def refused(_: Request, error: Problem) -> JSONResponse:
        return response(error.status, str(error), error.headers)

    @app.exception_handler(PHNetError)
    async def unusable(_: Request, error: PHNetError) -> JSONResponse:
        return response(422, str(error))

    @app.exception_handler(HTTPException)
    async def by_starlette(_: Request, error: HTTPException) -> JSONResponse:
        sentence = {
            404: "there is nothing at this address; /openapi.json lists what there is",
            405: "this address does not know the method; /openapi.json lists what there is",
        }.get(error.status_code, str(error.detail))
        return response(error.status_code, sentence, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        # The server logs the traceback.
        _log.error("a request failed with %s", type(error).__name__)
        return response(500, UNFORESEEN)


def response(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A refusal, as an answer."""
    content = details(status, sentence).model_dump()
    return JSONResponse(content, status, dict(headers or {}) or None, media_type=MEDIA_TYPE)


def details(status: int, sentence: str) -> ProblemDetails:
    """A refusal in words."""
    title = HTTPStatus(status).phrase
    return ProblemDetails(type="about:blank", title=title, status=status, detail=sentence)
