"""Photos with masks in one small file, to carry to a machine that only takes so much.

A pack is a zip file without compression of its own: ``SPLIT/ID.webp`` (the photo as a square)
and ``SPLIT/ID.png`` (its mask, binarized at 0.5). ``phnet train --data PACK.zip`` reads it.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from phnet.datasets.synthesis import binarize
from phnet.errors import BadData
from phnet.files import replacing
from phnet.images.arrays import Bytes

QUALITIES = (90, 80, 70, 60, 50, 40, 30, 20)
SAMPLE = 64  # photos that the quality is first judged by
ENTRIES = 250  # bytes that a photo's two entries cost besides their content

Packed = tuple[str, str, Bytes, Bytes]  # split, id, photo, mask


def encode(photo: Bytes, quality: int) -> bytes:
    """A photo as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def encode_mask(mask: Bytes) -> bytes:
    """A mask as a PNG of one bit a pixel."""
    buffer = io.BytesIO()
    Image.fromarray(binarize(mask)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def pack(
    load: Callable[[int], Packed | None], count: int, output: Path, max_bytes: int
) -> tuple[int, int]:
    """Write a pack of at most ``max_bytes``, at the best quality that fits.

    Args:
        load: gives image number i: (split, id, photo uint8 (S, S, 3), mask uint8 (S, S)), or
            None where it cannot be read.
        count: how many images there are.
        output: the zip file.
        max_bytes: its largest size.

    Returns:
        The WebP quality chosen and the size in bytes.

    Raises:
        BadData: even the lowest quality does not fit.
    """
    for quality in QUALITIES[_first_guess(load, count, max_bytes) :]:
        size = _write(load, count, output, quality, max_bytes)
        if size is not None:
            return quality, size
    raise BadData(
        f"{output}: {count} photos do not fit into {max_bytes / 1e6:.1f} MB even at quality "
        f"{QUALITIES[-1]}; choose a smaller size"
    )


def _first_guess(load: Callable[[int], Packed | None], count: int, max_bytes: int) -> int:
    """The place in QUALITIES that a sample of evenly spaced photos says should fit."""
    loaded = [load(i) for i in range(0, count, max(1, count // SAMPLE))]
    sample = [item for item in loaded if item is not None]
    for index, quality in enumerate(QUALITIES):
        sizes = [len(encode(p, quality)) + len(encode_mask(m)) + ENTRIES for *_, p, m in sample]
        if sum(sizes) / max(len(sizes), 1) * count <= max_bytes:
            return index
    return len(QUALITIES) - 1


def _write(
    load: Callable[[int], Packed | None], count: int, output: Path, quality: int, most: int
) -> int | None:
    """Write at one quality; None (and no file) where it grows beyond ``most`` bytes."""
    try:
        with replacing(output) as temporary:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
                for item in filter(None, map(load, range(count))):
                    split, name, photo, mask = item
                    archive.writestr(_member(f"{split}/{name}.webp"), encode(photo, quality))
                    archive.writestr(_member(f"{split}/{name}.png"), encode_mask(mask))
            size = temporary.stat().st_size
            if size > most:
                raise _TooLargeError
            return size
    except _TooLargeError:
        return None


class _TooLargeError(Exception):
    pass


def _member(name: str) -> zipfile.ZipInfo:
    """A zip entry without today's date: the same photos give the same bytes."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def members(path: Path, split: str) -> Iterator[tuple[str, str, str]]:
    """(id, photo's entry, mask's entry) of a split, in order of their names.

    Raises:
        BadData: ``path`` is not a pack.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise BadData(f"{path}: expected a pack of photos, but {error}") from error
    for photo in sorted(names):
        mask = photo.removesuffix(".webp") + ".png"
        if photo.startswith(f"{split}/") and photo.endswith(".webp") and mask in names:
            yield photo.removeprefix(f"{split}/").removesuffix(".webp"), photo, mask


def read_member(path: Path, name: str, most: int = 1 << 22) -> bytes:
    """The bytes of an entry of at most ``most`` bytes.

    Raises:
        ValueError: the entry is larger.
    """
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(name).file_size > most:
            raise ValueError(f"{name} is larger than {most} bytes")
        return archive.read(name)
