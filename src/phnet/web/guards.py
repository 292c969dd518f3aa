"""Guards before every route: known hosts only, and an end that lets a refusal be read."""

import asyncio
import ipaddress
from collections.abc import Iterable
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phnet.web.problems import response

LOCAL = ("localhost", "127.0.0.1", "[::1]")


class KnownHosts:
    """Refuses requests for another host's name (421).

    A page of the web can have its own name lead to 127.0.0.1 (DNS rebinding). Browsers then let it
    read the answers, but the name that it used stands in the request's Host header.

    Args:
        app: what comes behind.
        hosts: the names that are known; None: all.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is for us."""
        if scope["type"] == "http" and self._hosts is not None:
            name = host_name(Headers(scope=scope).get("host", ""))
            if name not in self._hosts and not _is_loopback(name):
                sentence = f"expected the Host header to name {' or '.join(sorted(self._hosts))}"
                await response(421, sentence)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def host_name(header: str) -> str:
    """A Host header without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


class Drained:
    """Reads what is left of an upload before its refusal ends.

    A connection that is closed while the client still sends is reset, and the client never sees
    the sentence. Who waits for "100 Continue" does not send, and needs none of this.

    Args:
        app: what comes behind.
        seconds: for which it reads on.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; hold the end back while there is more to read."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        uploads = "content-length" in headers or "transfer-encoding" in headers
        if not uploads or "expect" in headers:
            await self._app(scope, receive, send)
            return
        whole = False

        async def receiving() -> Message:
            nonlocal whole
            message = await receive()
            whole = whole or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if last and not whole:
                await send({**message, "more_body": True})
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        while not whole:
                            await receiving()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, receiving, sending)
