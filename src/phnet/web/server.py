"""Listen, serve, and finish what is running before the end, which comes whatever hangs."""

import ipaddress
import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from phnet.errors import BadInput
from phnet.images import quiet_readers
from phnet.web.app import create_app
from phnet.web.connections import bounded
from phnet.web.guards import LOCAL
from phnet.web.limits import Limits
from phnet.web.service import Service
from phnet.web.workers import Maker

HOSTS = "PHNET_HOSTS"  # a variable: more names for the Host header, or * for any
SECONDS_TO_END = 5  # beyond those that a request may take, for the answers that are on their way
SECONDS_TO_STOP = 10  # beyond these, for the processes


def run(
    host: str,
    port: int,
    token: str | None,
    limits: Limits | None = None,
    make: Maker = Service,
    names: Iterable[str] = (),
) -> None:
    """Serve until SIGTERM or SIGINT; requests that are running then get their answers.

    Args:
        host: address to listen on.
        port: port to listen on; 0: any free one.
        token: what ``/v1`` asks for; None: nothing.
        limits: what a request may cost.
        make: the service of each worker process.
        names: for the Host header, besides those that the variable PHNET_HOSTS has; ``*``: any.

    Raises:
        BadInput: the address cannot be listened on.
    """
    limits = limits or Limits()
    quiet_readers()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("phnet").setLevel(logging.INFO)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{host}:{port}: cannot listen there ({reason})") from error
    known = hosts(host, ",".join([os.environ.get(HOSTS, ""), *names]))
    app = create_app(token, limits, make, known)
    shown = f"[{host}]" if ":" in host else host
    logging.getLogger(__name__).info("http://%s:%d", shown, listener.getsockname()[1])
    _Ending(configured(app, limits)).run(sockets=[listener])


def configured(app: FastAPI, limits: Limits) -> uvicorn.Config:
    """Configure the server: connections within their limits."""
    return uvicorn.Config(
        app,
        http=bounded(limits),
        backlog=limits.connections,  # so many are taken at once, and use descriptors
        access_log=False,  # it would write whatever addresses clients ask for
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(limits.seconds) + SECONDS_TO_END,
    )


def hosts(host: str, more: str) -> Iterable[str] | None:
    """Names that the Host header may have; None: any.

    Args:
        host: what is listened on. Where that is not this machine alone, any name may be right.
        more: names with commas between them, besides this machine's own; ``*``: any.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    named = [name.strip() for name in more.split(",") if name.strip()]
    if "*" in named:
        return None
    return [*LOCAL, *named] if local else named or None


class _Ending(uvicorn.Server):
    """A server that is gone some time after it was told to end, whatever hangs."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = threading.Event()
        # From the start: later there may be no more threads to have.
        threading.Thread(target=self._watch, daemon=True).start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._told.set()
        super().handle_exit(sig, frame)

    def _watch(self) -> None:
        self._told.wait()
        time.sleep((self.config.timeout_graceful_shutdown or 0) + SECONDS_TO_STOP)
        for process in multiprocessing.active_children():
            process.kill()
        os._exit(1)
