"""Listen, serve, and finish what is running before the end."""

import logging
import socket

import uvicorn

from phnet.errors import BadInput
from phnet.images import quiet_readers
from phnet.web.app import create_app
from phnet.web.limits import Limits


def run(host: str, port: int, token: str | None, limits: Limits | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests that are running then get their answers.

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
    config = uvicorn.Config(
        create_app(token, limits),
        access_log=False,  # it would write whatever addresses clients ask for
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(limits.seconds) + 5,
    )
    shown = f"[{host}]" if ":" in host else host
    logging.getLogger(__name__).info("http://%s:%d", shown, listener.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listener])
