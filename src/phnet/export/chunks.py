"""A large file in sum-checked pieces, for channels that only take so much at a time."""

import hashlib
import json
from pathlib import Path
from typing import Any

from phnet.errors import BadModel
from phnet.files import json_of, write_bytes, write_text

LARGEST_PIECE = 15_000_000  # bytes
MOST_PIECES = 100
SUFFIX = ".pieces.json"


def is_pieces(path: Path) -> bool:
    """Tell whether the path names a list of pieces."""
    return path.name.endswith(SUFFIX)


def write_pieces(content: bytes, path: Path, largest: int = LARGEST_PIECE) -> list[Path]:
    """Write ``NAME.part00``, ... and then ``NAME.pieces.json`` beside ``path``, called NAME.

    Returns:
        All files written, the list last.
    """
    parts: list[dict[str, Any]] = []
    written: list[Path] = []
    for number, start in enumerate(range(0, len(content), largest)):
        piece = content[start : start + largest]
        file = path.with_name(f"{path.name}.part{number:02d}")
        write_bytes(file, piece)
        written.append(file)
        digest = hashlib.sha256(piece).hexdigest()
        parts.append({"file": file.name, "bytes": len(piece), "sha256": digest})
    whole = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    file = path.with_name(path.name + SUFFIX)
    write_text(file, json.dumps({"name": path.name, **whole, "parts": parts}, indent=2) + "\n")
    return [*written, file]


def read_pieces(path: Path) -> bytes:
    """Join the pieces that a list names, checking each one's size and sum.

    Raises:
        BadModel: the list is damaged, or a piece is missing or not what the list says.
    """
    try:
        listed = json_of(path.read_bytes())
        parts = [(str(p["file"]), int(p["bytes"]), str(p["sha256"])) for p in listed["parts"]]
        whole = str(listed["sha256"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadModel(
            f"{path}: expected a list of pieces, but it cannot be read ({error})"
        ) from error
    if not all(size > 0 for _, size, _ in parts):
        raise BadModel(f"{path}: expected pieces of some bytes")
    if len(parts) > MOST_PIECES:
        raise BadModel(f"{path}: expected at most {MOST_PIECES} pieces, got {len(parts)}")
    content = b""
    for name, size, digest in parts:
        file = path.parent / (Path(name).name or "(no name)")  # never outside the list's folder
        try:
            piece = file.read_bytes() if _is_piece(file, size) else b""
        except OSError as error:
            raise BadModel(f"{file}: cannot be read ({error.strerror})") from error
        if len(piece) != size:
            raise BadModel(f"{file}: expected a piece of {size} bytes, found none of that size")
        if hashlib.sha256(piece).hexdigest() != digest:
            raise BadModel(
                f"{file}: expected the piece that {path.name} describes, its sum differs"
            )
        content += piece
    if hashlib.sha256(content).hexdigest() != whole:
        raise BadModel(f"{path}: the joined pieces do not have the sum that the list gives")
    return content


def _is_piece(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size <= LARGEST_PIECE
