"""The application: the page at ``/``, and ``/v1`` for programs.

``/healthz`` and ``/metrics`` are for whoever runs it.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phnet.version import __version__
from phnet.web import forms, guards, metrics, page, problems
from phnet.web.accepting import accepted
from phnet.web.forms import Chosen, Fields
from phnet.web.limits import Limits
from phnet.web.pool import Pool
from phnet.web.problems import Problem, answers
from phnet.web.service import CUBE, LOOK, MEDIA_TYPES, PSD, Models, Service
from phnet.web.workers import Maker

_log = logging.getLogger(__name__)
NOTES = "PHNet-Notes"  # a header of the answer
CHUNK = 256 << 10  # bytes of an answer that are handed to the connection at once
LEAST_RATE = 64 << 10  # bytes of an answer that a client must read in a second
BINARY = {"schema": {"type": "string", "format": "binary"}}
REFUSALS = (400, 406, 408, 413, 415, 422, 429, 500, 503)


def create_app(
    token: str | None = None,
    limits: Limits | None = None,
    make: Maker = Service,
    hosts: Iterable[str] | None = None,
) -> FastAPI:
    """Start the workers, which load the networks, and make the application.

    Args:
        token: what ``/v1`` asks for as a bearer token; None: it is open to all.
        limits: what a request may cost.
        make: the service of each worker process; a module's function or class.
        hosts: names that the Host header may have, besides loopback addresses; None: any.
    """
    limits = limits or Limits()
    pool = Pool(limits, make)
    counters = metrics.Counters(pool)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        pool.close()

    app = FastAPI(
        title="PHNet",
        summary="Makes a person pasted into a photo belong there.",
        version=__version__,
        lifespan=life,
        docs_url=None,  # FastAPI's pages fetch scripts from another host
        redoc_url=None,
    )
    problems.install(app)
    app.add_middleware(guards.KnownHosts, hosts=hosts)
    app.add_middleware(guards.Drained, seconds=limits.head)
    app.add_middleware(_Recorder, counters=counters)
    app.include_router(_operations(pool, limits, token))
    app.include_router(page.router())
    app.include_router(_for_operators(pool, counters))
    _describe_problems(app)
    return app


def _for_operators(pool: Pool, counters: metrics.Counters) -> APIRouter:
    """``/healthz`` and ``/metrics``."""
    router = APIRouter(tags=["operation"])

    @router.get(
        "/healthz",
        summary="Whether a request would be worked on",
        responses={
            200: {"content": {"application/json": {"example": {"status": "ok"}}}},
            **answers(421, 503),
        },
    )
    async def healthz() -> dict[str, str]:
        if not pool.ready:
            raise Problem(503, "no process is ready to work on pictures", {"Retry-After": "2"})
        return {"status": "ok"}

    @router.get(
        "/metrics",
        summary="Counters for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": metrics.DESCRIBED}}, **answers(421)},
    )
    async def metrics_() -> Response:
        return Response(counters.text(), media_type=metrics.MEDIA_TYPE)

    return router


def _operations(pool: Pool, limits: Limits, token: str | None) -> APIRouter:
    """Routes under ``/v1``."""
    guards = [] if token is None else [_token_guard(token)]
    refusals = answers(421) if token is None else answers(401, 421)
    router = APIRouter(prefix="/v1", tags=["harmonize"], dependencies=guards, responses=refusals)

    @router.get("/models", summary="The networks that can be chosen")
    async def models() -> Models:
        return pool.models

    bounds, responses = _bounds(limits), _picture_responses()

    @router.post(
        "/harmonize",
        summary="Harmonize a composite",
        description=(
            "The pasted person's colors become those of the photo; pixels outside the mask stay "
            "as they are. The answer has the composite's size and type, PNG where that type "
            f"cannot be written, another where the Accept header does not take it. {bounds}"
        ),
        openapi_extra={"requestBody": forms.HARMONIZE.schema()},
        response_class=Response,
        responses=responses,
    )
    async def harmonize(request: Request) -> Response:
        return await _answered(request, forms.HARMONIZE, "harmonize", pool, limits)

    @router.post(
        "/compose",
        summary="Put a person in front of another background",
        description=(
            "The portrait's person is placed in the background and harmonized with it. The answer "
            "has the background's size and type, PNG where that type cannot be written, another "
            f"where the Accept header does not take it. {bounds}"
        ),
        openapi_extra={"requestBody": forms.COMPOSE.schema()},
        response_class=Response,
        responses=responses,
    )
    async def compose(request: Request) -> Response:
        return await _answered(request, forms.COMPOSE, "compose", pool, limits)

    @router.post(
        "/matte",
        summary="Find the person in a photo",
        description=(
            "A gray PNG of the photo's size, white where the person is, soft at the edges: the "
            f"mask that harmonize and compose use where they are given none. {bounds}"
        ),
        openapi_extra={"requestBody": forms.MATTE.schema()},
        response_class=Response,
        responses={
            **responses,
            200: {"description": "The mask.", "content": {"image/png": BINARY}},
        },
    )
    async def matte(request: Request) -> Response:
        return await _answered(request, forms.MATTE, "matte", pool, limits)

    return router


def _bounds(limits: Limits) -> str:
    return (
        f"A request has at most {limits.body >> 20} MiB, a picture at most "
        f"{limits.pixels // 10**6} megapixels."
    )


def _token_guard(token: str) -> Any:
    """Depend on the server's bearer token."""
    bearer = HTTPBearer(auto_error=False, description="The token of phnet serve --token-file.")

    async def allowed(
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        known = given is not None and hmac.compare_digest(
            given.credentials.encode(), token.encode()
        )
        if not known:
            raise Problem(401, "expected the server's bearer token", {"WWW-Authenticate": "Bearer"})

    return Depends(allowed)


def _picture_responses() -> dict[int | str, dict[str, Any]]:
    """Responses of the routes that make pictures, for OpenAPI."""
    images: dict[str, Any] = {
        media: dict(BINARY) for media in (*MEDIA_TYPES.values(), PSD, CUBE, LOOK)
    }
    notes = {
        "description": "Warnings, sentences joined by semicolons.",
        "schema": {"type": "string"},
        "example": "no mask was given; the person was found in the picture itself",
    }
    return {
        200: {"description": "The picture.", "content": images, "headers": {NOTES: notes}},
        **answers(*REFUSALS),
    }


async def _answered(
    request: Request,
    fields: Fields[Chosen],
    work: str,
    pool: Pool,
    limits: Limits,
) -> Response:
    """Read the form and have a worker's service do ``work`` with it, within the limits."""
    kinds = [*MEDIA_TYPES.values(), PSD, CUBE, LOOK] if work != "matte" else [MEDIA_TYPES["PNG"]]
    types = accepted(",".join(request.headers.getlist("accept")), kinds)
    with pool.place(forms.size(request, limits)):
        try:
            async with asyncio.timeout(limits.seconds):
                form = await forms.read(request, fields, limits, types)
        except TimeoutError as error:
            late = f"expected the whole request within {limits.seconds:g} seconds"
            raise Problem(408, late) from error
        answer = await pool.run(work, form, _gone(request))
    headers = {"Cache-Control": "no-store"}
    if answer.notes:
        headers[NOTES] = _header("; ".join(answer.notes))
    return _Counted(answer.content, answer.media_type, headers, pool)


def _header(text: str) -> str:
    """A header's value; what it cannot carry, such as a line's end, becomes a question mark."""
    return "".join(one if one.isprintable() and one <= "\xff" else "?" for one in text)


class _Counted(Response):
    """An answer that counts as memory until it is read, which must not take forever."""

    def __init__(self, content: bytes, media: str, headers: dict[str, str], pool: Pool) -> None:
        super().__init__(content, media_type=media, headers=headers)
        self._pool = pool

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        seconds = self._pool.limits.unread + len(self.body) / LEAST_RATE
        with self._pool.memory(len(self.body)):
            try:
                async with asyncio.timeout(seconds):
                    await send(start)
                    for begin in range(0, len(self.body), CHUNK):
                        part = bytes(self.body[begin : begin + CHUNK])
                        more = begin + CHUNK < len(self.body)
                        await send({"type": "http.response.body", "body": part, "more_body": more})
            except TimeoutError:  # the server closes the connection of an unfinished answer
                _log.info("an answer was not read in time")


async def _gone(request: Request) -> None:
    """Come back once the client of a request that was read has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of problems, which no operation returns by itself, into the OpenAPI."""
    made = app.openapi()
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemDetails"] = problems.ProblemDetails.model_json_schema()


class _Recorder:
    """Counts every request and logs one line about it: the route, never a name or an address."""

    def __init__(self, app: ASGIApp, counters: metrics.Counters) -> None:
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "(none)")
            method = scope["method"] if route != "(none)" else "-"
            self._counters.count(method, route, status, seconds)
            _log.info("%s %s %d %.3f s", method, route, status, seconds)
