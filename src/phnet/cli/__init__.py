"""The ``phnet`` command: one module a command, each importing its rooms only when it runs."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from phnet.errors import PHNetError
from phnet.version import __version__

STANDARD_ERROR = 2  # its number

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
    if logging.lastResort:  # warnings of the library, which sets up no logging
        logging.lastResort.setFormatter(logging.Formatter("phnet: note: %(message)s"))
    with _own_terminal():
        status = _run()
    sys.exit(status)


def _run() -> Any:
    status: Any = 0
    try:
        app()
    except SystemExit as end:
        status = end.code
    except PHNetError as error:
        status = _failed(with_flags(str(error)))
    except MemoryError:
        status = _failed("there is not enough memory for this")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        status = _failed(f"{where}{error.strerror or error}")
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
        if not isinstance(error, BrokenPipeError):  # whoever reads has had enough
            status = _failed(f"standard output cannot be written ({error.strerror})")
    return status


def _failed(sentence: str) -> int:
    with suppress(OSError):
        print(f"phnet: {sentence}", file=sys.stderr)
    return 2


@contextmanager
def _own_terminal() -> Iterator[None]:
    """Keep for ourselves what is standard error: libraries in C have lines of their own to say.

    Names that are no UTF-8 are printed with escapes, instead of not at all.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        ours = sys.stderr
        is_theirs = sys.stderr.fileno() == STANDARD_ERROR
        private = os.dup(STANDARD_ERROR) if is_theirs else None
    except (AttributeError, OSError, ValueError):  # closed, or none
        private = None
    if private is None:
        yield
        return
    sys.stderr = open(private, "w", buffering=1, errors="backslashreplace")  # noqa: PTH123, SIM115
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STANDARD_ERROR)
    os.close(nowhere)
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        os.dup2(private, STANDARD_ERROR)
        sys.stderr = ours
