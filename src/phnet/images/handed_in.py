"""Pictures from whatever is handed in, and results in the type that came."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage
from phnet.images.arrays import Floats, Pixels, check_pixels
from phnet.images.decoding import Source
from phnet.images.encoding import merged
from phnet.images.limits import most_pixels
from phnet.images.picture import Picture, from_pil, load

if TYPE_CHECKING:
    from PIL import Image

DEEP_GRAYS = ("I;16", "I;16B", "I;16L", "I", "F")  # modes of PIL with more than 8 bits


@dataclass(frozen=True)
class HandedIn:
    """A picture, and what it came as."""

    given: Any  # a path, Source, bytes, PIL image or array
    picture: Picture

    def back(self, result: Pixels, mask: Floats, picture: Picture | None = None) -> Any:
        """A result in the type that came.

        An array for an array; else a PIL image with the profile, and the metadata of a file. PIL
        has no colors of 16 bits: of a file that has them, an array uint16 in sRGB comes back.

        Args:
            result: (H, W, 3), in the type of the picture's ``colors``.
            mask: (H, W); where it is 0, the picture's own values come back bit for bit.
            picture: takes the place of the one that came: the same with other alpha.
        """
        picture = picture or self.picture
        if isinstance(self.given, np.ndarray) or _too_deep(picture):
            alpha = picture.alpha
            return result if alpha is None else np.dstack([result, alpha])
        from PIL import Image

        pixels = merged(picture, result, mask)
        if picture.alpha is not None:
            pixels = np.dstack([pixels, picture.alpha])
        if not isinstance(self.given, Image.Image):
            image = Image.fromarray(pixels)
            known = {"icc_profile": picture.icc, "exif": picture.exif, "xmp": picture.xmp}
            image.info = {name: value for name, value in known.items() if value}
            if picture.dpi:
                image.info["dpi"] = picture.dpi
            return image
        if self.given.mode in DEEP_GRAYS and pixels.ndim == 2:
            image = _in_mode(self.given, pixels, mask)
        else:
            image = Image.fromarray(pixels)
        image.info = dict(self.given.info)
        return image


def bounded(given: Any, max_megapixels: int, name: str = "composite") -> Any:
    """Bound the pixels of what is handed in, where it is still encoded.

    Args:
        given: as for :func:`read_picture`, or a mask.
        max_megapixels: the bound; 0: none.
        name: of what is handed in as bytes.
    """
    most = most_pixels(max_megapixels)
    if isinstance(given, bytes):
        return Source(name, given, most)
    if isinstance(given, str | os.PathLike):
        return Source(str(given), Path(given), most)
    return given


def read_picture(given: Any, name: str = "composite") -> HandedIn:
    """Turn whatever is handed in into a picture.

    Args:
        given: a path, a :class:`Source`, bytes of a file, a PIL image, or an array RGB (H, W, 3)
            or RGBA (H, W, 4), uint8, uint16, or floats in [0, 1], which is taken as sRGB.
        name: of a picture that is no file, for sentences about it.

    Raises:
        BadImage: it cannot be read; says why.
    """
    from PIL import Image

    if isinstance(given, bytes):
        given = Source(name, given)
    if isinstance(given, str | os.PathLike | Source):
        return HandedIn(given, load(given))
    if isinstance(given, np.ndarray):
        check_pixels(given, name)
        return HandedIn(
            given, Picture(given[..., :3], given[..., 3] if given.shape[2] > 3 else None)
        )
    if not isinstance(given, Image.Image):
        raise BadImage(
            f"{name}: expected a path, a PIL image or a numpy array, got {type(given).__name__}"
        )
    if given.mode in DEEP_GRAYS and 0 not in given.size:
        values = np.asarray(given)
        levels = np.rint(values * (65535 / _full_scale(given, name))).astype(np.uint16)
        return HandedIn(given, Picture(levels))
    return HandedIn(given, from_pil(given))


def _too_deep(picture: Picture) -> bool:
    is_gray = picture.pixels.ndim == 2 and picture.alpha is None
    return picture.pixels.dtype == np.uint16 and not is_gray


def _full_scale(image: "Image.Image", name: str) -> int:
    """The value that means white: PIL keeps 8 bits in the modes I and F, too."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        return 65535
    if image.mode == "F" and low >= 0 and high <= 1:
        return 1
    if low >= 0 and high <= 65535:  # false for NaN
        return 255 if high <= 255 else 65535
    raise BadImage(f"{name}: expected values of 0 to 255 or 65535, got {low:g} to {high:g}")


def _in_mode(given: "Image.Image", levels: Pixels, mask: Floats) -> "Image.Image":
    """Gray of 16 bits as an image of the mode and scale that came, its background bit for bit."""
    from PIL import Image

    own = np.asarray(given)
    values = levels * (_full_scale(given, "composite") / 65535)
    if given.mode != "F":
        values = np.rint(values)
    kind = own.dtype.newbyteorder("=")
    values = np.where(mask > 0, values.astype(kind), own.astype(kind))
    return Image.fromarray(values)
