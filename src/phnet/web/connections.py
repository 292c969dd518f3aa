"""Limits of connections: how many are open, half-sent heads, answers that nobody reads.

uvicorn bounds none of these by itself; each would be held for as long as a client likes.
"""

import asyncio
import json
from http import HTTPStatus

from uvicorn.protocols.http.h11_impl import H11Protocol

from phnet.web.limits import Limits
from phnet.web.problems import MEDIA_TYPE, details

SECONDS_TO_LOOK = 0.5


class _Bounded(H11Protocol):
    """A connection that is looked at now and then."""

    limits: Limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one that is too many."""
        self._look_again: asyncio.TimerHandle | None = None
        self._waits_since: float | None = None  # for a head
        self._unread_since: float | None = None
        self._unread = 0
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._end(503, "too many connections are open; try again soon", "Retry-After: 2\r\n")
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._look_again is not None:
            self._look_again.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now = self.loop.time()
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._is_unread_for_too_long(now, answering):
            self.transport.abort()
            return
        if answering:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since > self.limits.head and not self.transport.is_closing():
            self._end(408, f"expected the head of a request within {self.limits.head:g} seconds")
        self._look_again = self.loop.call_later(SECONDS_TO_LOOK, self._look)

    def _is_unread_for_too_long(self, now: float, answering: bool) -> bool:
        """Tell whether nothing was read lately, or the rest of what is answered was not."""
        unread = self.transport.get_write_buffer_size()
        new = self._unread_since is None or (answering and unread != self._unread)
        if not unread:
            self._unread_since = None
        elif new:
            self._unread, self._unread_since = unread, now
        if self._unread_since is None:
            return False
        return now - self._unread_since > self.limits.unread

    def _end(self, status: int, sentence: str, header: str = "") -> None:
        """Say why, past the state of HTTP, and close."""
        body = json.dumps(details(status, sentence).model_dump()).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"{header}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def bounded(limits: Limits) -> type[H11Protocol]:
    """The class of connections that keep within ``limits``, for ``uvicorn.Config(http=...)``."""
    return type("Bounded", (_Bounded,), {"limits": limits})
