"""The ``phnet`` command: one module a command, each importing its rooms only when it runs."""

import sys
from typing import Annotated

import typer

from phnet.errors import PHNetError
from phnet.version import __version__

app = typer.Typer(
    name="phnet",
    help="Make a person pasted into a photo belong there.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"phnet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


# Each command module registers its commands on `app` when it is imported.
from phnet.cli import (  # noqa: E402
    benchmark,  # noqa: F401
    compose,  # noqa: F401
    data,  # noqa: F401
    evaluate,  # noqa: F401
    harmonize,  # noqa: F401
    live,  # noqa: F401
    matte,  # noqa: F401
    model,  # noqa: F401
    page,  # noqa: F401
    serve,  # noqa: F401
    train,  # noqa: F401
    video,  # noqa: F401
)
from phnet.cli.options import with_flags  # noqa: E402


def main() -> None:
    """Run the command line: one sentence on standard error and exit code 2 on bad input."""
    try:
        app()
    except PHNetError as error:
        print(f"phnet: {with_flags(str(error))}", file=sys.stderr)
        sys.exit(2)
