"""The page at ``/``: plain files that load nothing from another host."""

from collections.abc import Awaitable, Callable
from importlib import resources

from fastapi import APIRouter, Response

MEDIA_TYPES = {"index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def router() -> APIRouter:
    """The page's files, read once."""
    made = APIRouter()
    for name, media_type in MEDIA_TYPES.items():
        content = (resources.files(__name__) / name).read_bytes()
        made.add_api_route(
            "/" if name == "index.html" else f"/{name}",
            _answering(content, media_type),
            include_in_schema=False,
        )
    return made


def _answering(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=media_type, headers=HEADERS)

    return answer
