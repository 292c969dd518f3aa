"""``-`` on the command line: standard input and output in the place of files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from phnet.batch.file_worker import Settings
    from phnet.images import Source

DASH = Path("-")


def sources(*paths: Path | None) -> "list[Path | Source | None]":
    """Paths, one of which may be ``-``: what stands on standard input, read whole.

    Raises:
        BadInput: there is nothing on it, too much, or it is to be two files.
    """
    from phnet.errors import BadInput
    from phnet.images import Source
    from phnet.images.decoding import LARGEST_FILE

    if paths.count(DASH) > 1:
        raise BadInput("-: expected one file from standard input, got several")
    found: list[Path | Source | None] = []
    for path in paths:
        if path != DASH:
            found.append(path)
            continue
        content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        if not 0 < len(content) <= LARGEST_FILE:
            raise BadInput(
                f"standard input: expected a picture of at most {LARGEST_FILE >> 30} GiB, "
                f"got {'more' if content else 'nothing'}"
            )
        found.append(Source("standard input", content))
    return found


def target(output: Path, source: Path) -> Path | BinaryIO:
    """Find the place of a result: standard output for ``-``; in a folder that exists, by its name.

    Args:
        output: as it was given.
        source: what the result is called after.

    Raises:
        BadOutput: standard output is a terminal, or there is no name for a file in a folder.
    """
    from phnet.batch.matching import result_name
    from phnet.errors import BadOutput

    if output == DASH:
        if sys.stdout.isatty():
            raise BadOutput("-: expected standard output to go to a file or a program")
        return sys.stdout.buffer
    if output.is_dir():
        if source == DASH:
            raise BadOutput(f"{output}: expected a file name for what comes from standard input")
        return output / result_name(source)
    return output


def checked_target(
    output: Path, settings: "Settings", pictures: "list[Path | None]", save_look: Path | None
) -> tuple[Path | BinaryIO, list[Path]]:
    """Check a result's place before any work; also list the files that nothing may overwrite.

    Args:
        output: as it was given.
        settings: name the networks, the reference and the look.
        pictures: that are read; the result is called after the first.
        save_look: the look's file, if one is to be written.

    Raises:
        BadOutput: a place cannot be written to, or is one of what is read.
    """
    from phnet.errors import BadOutput
    from phnet.files import check_place
    from phnet.images import check_output

    assert pictures[0] is not None
    destination = target(output, pictures[0])
    named = (settings.model, settings.matte, settings.reference, settings.look)
    taken = [path for path in pictures if path] + [Path(name) for name in named if name]
    if isinstance(destination, Path):
        check_output(destination, *taken)
        taken.append(destination)
    if save_look:
        check_place(save_look, *taken)
        if isinstance(destination, Path) and save_look.resolve() == destination.resolve():
            raise BadOutput(f"{save_look}: is also the output; choose another name")
    return destination, taken


def check_folder(kind: str, output: Path, flags: dict[str, Path | None]) -> None:
    """Refuse, for a folder of pictures of a ``kind``, what is for one alone, by its flag."""
    from phnet.errors import BadInput

    for flag, given in flags.items():
        if given:
            raise BadInput(f"{flag}: expected one {kind}, got a folder")
    if output == DASH:
        raise BadInput(f"-: expected a folder to write to, for a folder of {kind}s")


def say(sentence: str, output: Path | BinaryIO) -> None:
    """Print what was done: on standard error where the picture went to standard output."""
    print(sentence, file=sys.stdout if isinstance(output, Path) else sys.stderr)


def name_of(output: Path | BinaryIO) -> str:
    """Name the place of a result."""
    return str(output) if isinstance(output, Path) else "standard output"
