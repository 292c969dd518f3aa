"""``phnet page``: the page without a server."""

from pathlib import Path
from typing import Annotated

import typer

from phnet.cli import app


@app.command()
def page(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A network besides or instead of the built-in one; may be repeated."),
    ] = None,
) -> None:
    """Write the page as a folder for any static host: pictures stay on the visitor's machine."""
    from phnet.errors import MissingExtra

    try:
        from phnet.web.static_site import write_page
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("phnet"):
            raise
        raise MissingExtra("page", "phnet page") from error
    files = write_page(output, model or [None])
    size = sum(file.stat().st_size for file in files)
    print(f"{output}: {len(files)} files, {size / 1e6:.1f} MB")
    print(f"try it: python -m http.server --bind 127.0.0.1 --directory {output}")
