"""The contract for arrays: RGB float32 (H, W, 3) in [0, 1] and a soft mask float32 (H, W)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from phnet.errors import BadImage, BadMask

# The types of arrays, for all packages.
Floats = npt.NDArray[np.float32]  # pictures and masks in [0, 1], and what is computed of them
Doubles = npt.NDArray[np.float64]  # where sums and solutions need it
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Pixels = npt.NDArray[Any]  # of any type: uint8, uint16, bool or floats

FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.bool_): 1}
MASKABLE = (np.uint8, np.uint16, np.float32)  # what OpenCV copies under a mask
STRIP_PIXELS = 1 << 21  # worked on at a time
CACHED_PIXELS = 1 << 17  # the same where a second look at them should find them in the cache


def to_float(values: Pixels) -> Floats:
    """Integers or bools of full scale to float32 in [0, 1]; floats keep their values."""
    scale = FULL_SCALE.get(values.dtype, 1)
    result: Floats = values.astype(np.float32)
    if scale != 1:
        result /= np.float32(scale)
    return result


def to_uint8(values: Floats | Doubles) -> Bytes:
    """Floats in [0, 1] to uint8, rounded; what is outside is clipped."""
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)


def in_levels(values: Floats, kind: np.dtype[Any]) -> Floats:
    """Floats in [0, 1] as whole levels of an integer type; for a type of floats, as they are."""
    scale = FULL_SCALE.get(kind)
    return values if scale is None else np.rint(values * scale)


def box_of(mask: Floats, margin: int = 0) -> tuple[slice, slice] | None:
    """Rows and columns (of a mask (H, W) in [0, 1]) that hold all that is not 0; None: nothing.

    With a margin, which may reach beyond the lower and the right end, as slices may.
    """
    left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
    rows, columns = (
        slice(max(0, start - margin), start + length + margin)
        for start, length in ((top, height), (left, width))
    )
    return (rows, columns) if width else None


def put(target: Pixels, values: Pixels, where: Bools) -> None:
    """Put values (h, w, 3) into a part of a picture where ``where`` (h, w) says."""
    if target.dtype in MASKABLE:
        made = values if values.dtype == target.dtype else values.astype(target.dtype)
        cv2.copyTo(made, where.view(np.uint8), target)
    else:
        np.copyto(target, values, where=where[..., None], casting="unsafe")


# -- large pictures, without a copy of them in floats -------------------------------------


def strips(size: tuple[int, int], pixels: int = STRIP_PIXELS) -> list[slice]:
    """The rows of a picture of ``size`` (H, W) in parts of about so many pixels."""
    step = max(1, pixels // max(1, size[1]))
    return [slice(start, min(start + step, size[0])) for start in range(0, size[0], step)]


Part = TypeVar("Part")
Made = TypeVar("Made")


def on_threads(work: Callable[[Part], Made], parts: Sequence[Part], threads: int) -> list[Made]:
    """List of what work makes of each part of a picture, on so many threads; one needs no pool."""
    if threads == 1 or len(parts) < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def shrunk(
    pixels: Pixels, size: tuple[int, int], where: Pixels | None = None, threads: int = 1
) -> Floats:
    """Resize pixels of any type to ``size`` (h, w), as floats: by area where that is smaller.

    Args:
        pixels: (H, W) or (H, W, 3).
        size: wanted.
        where: uint8 (H, W): what is 0 there counts as black; None: all counts as it is.
        threads: strips worked on at once.
    """
    whole, (height, width) = (pixels.shape[0], pixels.shape[1]), size

    def floats(rows: slice) -> Floats:
        part = pixels[rows]
        if where is not None:
            part = cv2.bitwise_and(part, part, mask=where[rows])
        return to_float(np.asarray(part))

    if whole == size:
        return floats(slice(None))
    if height > whole[0] or width > whole[1]:
        large = cv2.resize(floats(slice(None)), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(large, np.float32)

    def by_area(floats: Floats, rows: int) -> Floats:
        resized = cv2.resize(floats, (width, rows), interpolation=cv2.INTER_AREA)
        return np.asarray(resized, np.float32)

    # First across, strip by strip, then down: area averages can be taken one after the other.
    parts = on_threads(
        lambda rows: by_area(floats(rows), rows.stop - rows.start),
        strips(whole, CACHED_PIXELS),
        threads,
    )
    return by_area(np.concatenate(parts), height)


def enlarged_rows(small: Floats, size: tuple[int, int], rows: slice) -> Floats:
    """Some rows of ``small``, (h, w) or (h, w, C), enlarged bilinearly to ``size`` (H, W)."""
    if rows == slice(0, size[0]):
        whole = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole, np.float32)
    height = small.shape[0]
    position = (np.arange(rows.start, rows.stop) + 0.5) * height / size[0] - 0.5
    position = np.clip(position, 0, height - 1)
    above = np.floor(position).astype(np.intp)
    below = np.minimum(above + 1, height - 1)
    share = (position - above).astype(np.float32).reshape(-1, *[1] * (small.ndim - 1))
    lines = small[above] * (1 - share) + small[below] * share
    wide = cv2.resize(lines, (size[1], len(lines)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32)


# -- checks -------------------------------------------------------------------------------


def _check_range(values: Pixels, name: str, error: type[BadImage] | type[BadMask]) -> None:
    if values.dtype.kind != "f" and values.dtype not in FULL_SCALE:
        raise error(f"{name}: expected uint8, uint16 or floats in [0, 1], got {values.dtype}")
    if values.dtype.kind == "f" and values.size:
        low, high = float(values.min()), float(values.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):  # true for NaN as well
            raise error(f"{name}: expected floats in [0, 1], got {low:g} to {high:g}")


def check_pixels(image: Pixels, name: str = "composite") -> None:
    """Check an array that is kept in its own type: RGB or RGBA, uint8, uint16 or floats.

    Raises:
        BadImage: of another shape or type, or with values out of range.
    """
    if image.ndim != 3 or image.shape[2] not in (3, 4) or 0 in image.shape:
        raise BadImage(f"{name}: expected an array (H, W, 3) or (H, W, 4), got {image.shape}")
    _check_range(image, name, BadImage)


def check_image(image: Pixels, name: str = "composite") -> Floats:
    """An array as RGB float32 (H, W, 3) in [0, 1]; alpha is dropped.

    Raises:
        BadImage: of another shape or type, or with values out of range.
    """
    check_pixels(image, name)
    return to_float(image[..., :3])


def has_aspect(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Tell whether a mask of shape (h, w) has the aspect of ``size``, to a pixel of rounding."""
    (rows, columns), (height, width) = shape, size
    return min(abs(columns - width * rows / height), abs(rows - height * columns / width)) <= 1


def check_mask(mask: Pixels, size: tuple[int, int], name: str = "mask") -> Floats:
    """A mask as float32 (H, W) in [0, 1] at the composite's ``size`` (H, W).

    A mask of another size but the same aspect (to a pixel of rounding) is resized; soft values
    stay soft.

    Raises:
        BadMask: of another aspect, shape or type, with values out of range, or empty.
    """
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or 0 in mask.shape:
        raise BadMask(f"{name}: expected an array (H, W), got {mask.shape}")
    _check_range(mask, name, BadMask)
    result = to_float(mask)
    np.clip(result, 0, 1, out=result)
    height, width = size
    rows, columns = mask.shape
    if (rows, columns) != size:
        if not has_aspect((rows, columns), size):
            raise BadMask(
                f"{name}: expected the composite's aspect ({width}x{height}), got {columns}x{rows}"
            )
        how = cv2.INTER_AREA if rows >= height else cv2.INTER_LINEAR
        result = np.clip(cv2.resize(result, (width, height), interpolation=how), 0, 1)
    if float(result.max()) < 0.5 / 255:
        raise BadMask(f"{name}: expected a foreground (white), but the mask is empty (all black)")
    return np.asarray(result, np.float32)


def mask_notes(mask: Floats, remedy: str = "invert it (invert_mask)") -> list[str]:
    """Warnings about a mask (H, W) that can be used all the same.

    ``remedy`` is what to do about one that is white where the background is.
    """
    if float(mask.min()) > 1 - 0.5 / 255:
        return ["the mask covers everything: there is no background to learn colors from"]
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    height, width = mask.shape
    middle = mask[height // 4 : height - height // 4, width // 4 : width - width // 4]
    if (border > 0.5).mean() > 0.6 and middle.size and (middle > 0.5).mean() < 0.5:
        return [
            "the mask's white part looks like the background (white is the foreground): "
            f"if so, {remedy}"
        ]
    return []


def blend(foreground: Pixels, background: Pixels, mask: Floats) -> Pixels:
    """Blend by the mask (eq. 1); the background comes back bit for bit where the mask is 0.

    Args:
        foreground: floats (H, W, 3) in [0, 1].
        background: floats (H, W, 3) in [0, 1].
        mask: (H, W) in [0, 1].
    """
    alpha = mask[..., None]
    mixed = foreground * alpha + background * (1 - alpha)
    return np.where(alpha > 0, mixed, background).astype(background.dtype)
