"""Write files so that a reader sees the old one or the whole new one, never a part."""

import os
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from phnet.errors import BadOutput

LONGEST_NAME = 255  # bytes, in nearly every file system
LONGEST_SUFFIX = 16  # bytes
_TEMPORARY = re.compile(r"\.(.*)\.[0-9a-f]{8}\.tmp(\.[^.]*)?")


def check_place(path: Path, *inputs: str | os.PathLike[str] | None) -> None:
    """Refuse a file's place, before any work, that cannot be written or is one of the inputs.

    Raises:
        BadOutput: with the reason.
    """
    if path.is_dir():
        raise BadOutput(f"{path}: expected a file name to write to, but it is a folder")
    if not path.parent.is_dir():
        raise BadOutput(f"{path}: expected an existing folder to write to, found none")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise BadOutput(f"{path}: expected a place to write to, but it is not writable")
    for other in inputs:
        if other is not None and path.exists() and Path(other).exists() and path.samefile(other):
            raise BadOutput(f"{path}: the output is also an input; choose another name")


def make_folder(folder: Path) -> None:
    """Make a folder to write to, and those around it, where they are missing.

    Raises:
        BadOutput: with the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        files = [place for place in (folder, *folder.parents) if place.is_file()]
        if files:
            reason = "it is a file" if files[0] == folder else f"{files[0]} is a file"
        raise BadOutput(f"{folder}: expected a folder to write to, but {reason}") from error


def _temporary(target: Path) -> Path:
    """A name beside the target's that fits where the target's own does."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= LONGEST_SUFFIX else ""
    ending = f".{secrets.token_hex(4)}.tmp{suffix}"
    stem = os.fsencode(target.stem)[: LONGEST_NAME - len(os.fsencode(ending)) - 1]
    return target.with_name("." + stem.decode("utf-8", "ignore") + ending)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it over ``path`` on success.

    On any exception the temporary file is removed and ``path`` is left as it was. The
    temporary name keeps the suffix, since many writers choose the format by it.

    Raises:
        BadOutput: the folder is missing, is not writable, or the disk is full.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        if target.is_dir():
            raise BadOutput(f"{target}: expected a file name to write to, but it is a folder")
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadOutput(f"{target}: cannot be written ({reason})") from error
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


def sweep(paths: Iterable[Path]) -> None:
    """Remove what :func:`replacing` left of writing any of ``paths`` where it was killed.

    Not for paths that somebody may be writing now.
    """
    names: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        names[path.parent].add(path.name)
    for folder, wanted in names.items():
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            match = _TEMPORARY.fullmatch(path.name)
            if match and any(_is_of(match, name) for name in wanted):
                path.unlink(missing_ok=True)


def _is_of(match: re.Match[str], name: str) -> bool:
    """Whether a temporary name is of writing ``name``; that of a long one is cut."""
    whole = match[1] + (match[2] or "")
    cut = len(os.fsencode(match[0])) > LONGEST_NAME - 4  # a cut character has up to four bytes
    stem, suffix = Path(name).stem, Path(name).suffix
    return whole == name or (cut and stem.startswith(match[1]) and (match[2] or "") == suffix)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all; see :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write ``content`` as UTF-8 to ``path`` whole or not at all; see :func:`replacing`."""
    write_bytes(path, content.encode("utf-8"))
