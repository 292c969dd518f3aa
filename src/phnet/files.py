"""Files written so that a reader sees the old one or the whole new one, and JSON read strictly."""

import json
import math
import os
import re
import secrets
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from phnet.errors import BadOutput

LONGEST_NAME = 255  # bytes, in nearly every file system
LONGEST_SUFFIX = 16  # bytes
LARGEST_JSON = 1 << 20  # characters
DEEPEST_JSON = 64  # lists and objects in one another
_unfinished: set[Path] = set()  # temporary files of this process
_TEMPORARY = re.compile(r"\.(.*)\.[0-9a-f]{8}\.tmp(\.[^.]*)?")


def check_place(path: Path, *inputs: str | os.PathLike[str] | None) -> None:
    """Refuse a file's place, before any work, that cannot be written or is one of the inputs.

    Raises:
        BadOutput: with the reason.
    """
    path = _real(path)
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
        files = [place for place in (folder, *folder.parents) if os.path.isfile(place)]  # noqa: PTH113 (raises nothing)
        if files:
            reason = "it is a file" if files[0] == folder else f"{files[0]} is a file"
        raise BadOutput(f"{folder}: expected a folder to write to, but {reason}") from error


def _real(path: Path) -> Path:
    """Follow links to the file that a write to ``path`` replaces.

    Raises:
        BadOutput: no file can be there, or something is that is none.
    """
    try:
        real = path.resolve() if path.is_symlink() else path
        mode = real.lstat().st_mode if real.parent.is_dir() and os.path.lexists(real) else None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadOutput(f"{path}: cannot be written ({reason})") from error
    if mode is not None and not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "pipe, a device or a broken link"
        raise BadOutput(f"{path}: expected a file name to write to, but it is a {kind}")
    return real


def _temporary(target: Path) -> Path:
    """A name beside the target's that fits where the target's own does."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= LONGEST_SUFFIX else ""
    ending = f".{secrets.token_hex(4)}.tmp{suffix}"
    stem = os.fsencode(target.stem)[: LONGEST_NAME - len(os.fsencode(ending)) - 1]
    return target.with_name("." + stem.decode("utf-8", "ignore") + ending)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it over ``path`` on success.

    On any exception the temporary file is removed and ``path`` is left as it was. Of a symbolic
    link, what it leads to is replaced; pipes and devices are not. The
    temporary name keeps the suffix, since many writers choose the format by it.

    Raises:
        BadOutput: the folder is missing, is not writable, or the disk is full.
    """
    target = _real(Path(path))
    temporary = _temporary(target)
    _unfinished.add(temporary)
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadOutput(f"{target}: cannot be written ({reason})") from error
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None
        _unfinished.discard(temporary)


def discard_unfinished() -> None:
    """Remove what is being written now, for a process that ends at once."""
    for temporary in list(_unfinished):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(paths: Iterable[Path]) -> None:
    """Remove what :func:`replacing` left of writing any of ``paths`` where it was killed.

    Not for paths that somebody may be writing now.
    """
    names: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        names[path.parent].add(path.name)
    for folder, wanted in names.items():
        for path in list(folder.iterdir()) if os.path.isdir(folder) else []:  # noqa: PTH112 (raises nothing)
            match = _TEMPORARY.fullmatch(path.name)
            if match and any(_is_of(match, name) for name in wanted):
                path.unlink(missing_ok=True)


def _is_of(match: re.Match[str], name: str) -> bool:
    """Tell whether a temporary name is of writing ``name``; that of a long one is cut."""
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


def json_of(text: str | bytes, largest: int = LARGEST_JSON) -> Any:
    """Read JSON from outside strictly: bounded in length and depth, finite numbers, sound texts.

    Args:
        text: at most ``largest`` characters, UTF-8 where they are bytes.
        largest: see there.

    Raises:
        ValueError: it is no JSON, is too long or too deep, or holds a number that is not finite
            or a text with NUL or half a surrogate pair; says which, to stand behind "but".
    """
    if len(text) > largest:
        raise ValueError(f"it has more than {largest} characters")
    try:
        said = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error})") from error
    level = [said]
    for _ in range(DEEPEST_JSON):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return said
    raise ValueError("it is nested too deeply")


def _parts(value: Any) -> list[Any]:
    """List the parts of a value of JSON."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        raise ValueError("it holds a text with NUL or half a surrogate pair")
    if isinstance(value, float) and not math.isfinite(value):
        _no_number(str(value))
    return value if isinstance(value, list) else []


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"it holds the number {text}")
