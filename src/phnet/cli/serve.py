"""``phnet serve``: the demo application."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from phnet.cli import app
from phnet.cli.options import Providers


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the token that /v1 asks for (Authorization: Bearer TOKEN).",
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name more that the Host header may have (again for each); *: any.",
            show_default=False,
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without a token.")
    ] = False,
    providers: Providers = None,
) -> None:
    """Serve the page at http://HOST:PORT/ and the API under /v1 until stopped (extra 'serve')."""
    from phnet.errors import BadInput, MissingExtra

    token = None if token_file is None else read_token(token_file)
    if token is None and not insecure and not is_loopback(host):
        raise BadInput(
            f"{host}: expected --token-file for an address that other machines reach "
            "(or --insecure, to let everyone in)"
        )
    try:
        from phnet.web.server import run
        from phnet.web.service import Service
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("phnet"):
            raise
        raise MissingExtra("serve", "phnet serve") from error
    if providers:  # what is wrong with them is told before anyone is served
        from phnet.matting.sessions import execution_providers

        execution_providers(providers)
    make = functools.partial(Service, providers=providers)
    run(host, port, token, make=make, names=allow_host or ())


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the address."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> str:
    """The token in a file, without the space around it."""
    from phnet.errors import BadInput

    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: expected a readable file with a token in ASCII") from error
    if not token or not token.isprintable() or " " in token:
        raise BadInput(f"{path}: expected one token without spaces")
    return token
