"""Base of the opened pictures that are read here and not by Pillow."""

import struct
from typing import TYPE_CHECKING, Any, NoReturn

from phnet.errors import BadImage, BadMask
from phnet.images.arrays import Pixels

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112  # of EXIF


class OpenedFile:
    """An opened file; for callers like an image of Pillow's.

    Args:
        content: the whole file.
        source: what it is called, for sentences.
        error: what to raise.

    Raises:
        ValueError: its header cannot be read.
    """

    format: str
    mode = ""
    n_frames = 1
    width: int
    height: int

    def __init__(self, content: bytes, source: Any, error: type[BadImage] | type[BadMask]) -> None:
        self._content, self._source, self._error = content, source, error
        self.notes: list[str] = []
        self.info: dict[str, Any] = {}
        self._exif: bytes | None = None
        try:
            self._read_header()
        except (IndexError, struct.error) as problem:
            raise ValueError("its header is cut short") from problem

    def _read_header(self) -> None:
        """Find size, kind and metadata."""
        raise NotImplementedError

    def values(self) -> Pixels:
        """The picture (H, W) or (H, W, C), alpha last; uint8 or uint16."""
        raise NotImplementedError

    def getexif(self) -> "Image.Exif":
        """The EXIF as it stands in the file."""
        from PIL import Image

        exif = Image.Exif()
        if self._exif:
            exif.load(b"Exif\0\0" + self._exif)
        return exif

    def _refuse(self, sentence: str) -> NoReturn:
        raise self._error(f"{self._source}: {sentence}")
