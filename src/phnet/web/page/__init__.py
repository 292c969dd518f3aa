"""The page at ``/``: plain files that load nothing from another host."""

import json
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from phnet.options import ComposeOptions, HarmonizeOptions
from phnet.web.controls import controls

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
}
FILES = (
    "index.html",
    "page.css",
    "page.js",
    "brush.js",
    "chosen.js",
    "engine.js",
    "intake.js",
    "live.js",
    "mask.js",
    "options.js",
    "pictures.js",
    "placing.js",
    "progress.js",
    "remote.js",
    "result.js",
    "series.js",
    "shadow.js",
    "stage.js",
)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def shown_controls() -> list[dict[str, Any]]:
    """List the controls of both modes, see :func:`phnet.web.controls.controls`."""
    return controls(harmonize=HarmonizeOptions, compose=ComposeOptions)


def router() -> APIRouter:
    """The page's files, read once, and what can be set on it."""
    made = APIRouter()
    files = {name: (resources.files(__name__) / name).read_bytes() for name in FILES}
    files["options.json"] = json.dumps(shown_controls(), indent=1).encode()
    for name, content in files.items():
        media_type = MEDIA_TYPES[Path(name).suffix]
        made.add_api_route(
            "/" if name == "index.html" else f"/{name}",
            _answering(content, media_type),
            methods=["GET", "HEAD"],
            include_in_schema=False,
        )
    return made


def _answering(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=media_type, headers=HEADERS)

    return answer
