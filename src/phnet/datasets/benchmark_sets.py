"""The four sets that every table here has, made from anyone's photos with masks.

- ``paper``: section 3.2's recipe at 256x256, lossless. - ``own-size``: the same at each photo's own
size, the composite through JPEG of quality 90. - ``foreign-light``: people pasted into another
light (:mod:`phnet.datasets.foreign_light`), at 256x256,
  three of four before another scene where there are scenes.
- ``nothing``: photos as they are, at 256x256; a method should leave them so.

Image i of a set has the seed [seed, i]: a set is the same on every machine with the same libraries.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from phnet.datasets.foreign_light import paste
from phnet.datasets.synthesis import binarize, make_composite
from phnet.errors import BadData
from phnet.files import write_bytes, write_text
from phnet.images import load, load_mask
from phnet.images.arrays import Bytes, to_uint8

SETS = ("paper", "own-size", "foreign-light", "nothing")
SIZE = 256
SEED = 2024
QUALITY = 90  # of the JPEG that own-size composites pass through
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}

Triple = tuple[Bytes, Bytes, Bytes]  # composite, mask (H, W) of 0 and 255, real


def photos_with_masks(folder: Path) -> list[tuple[Path, Path]]:
    """Photos ID.jpg (or another kind) with masks ID.png of a folder, in the order of their ids.

    Raises:
        BadData: there are none.
    """
    if not folder.is_dir():
        raise BadData(f"{folder}: expected a folder of photos with masks, found none")
    found = [
        (photo, photo.with_suffix(".png"))
        for photo in sorted(folder.iterdir())
        if photo.suffix.lower() in PHOTO_SUFFIXES and photo.with_suffix(".png").is_file()
    ]
    if not found:
        raise BadData(f"{folder}: expected photos ID.jpg with masks ID.png, found none")
    return sorted(found, key=lambda pair: pair[0].stem)


def load_pair(photo: Path, mask: Path) -> tuple[Bytes, Bytes]:
    """A photo, uint8 (H, W, 3), and its mask, uint8 (H, W).

    Raises:
        BadImage, BadMask: one cannot be read.
    """
    return to_uint8(load(photo).rgb), to_uint8(load_mask(mask))


def make_triple(
    name: str, photo: Bytes, mask: Bytes, scene: Bytes | None, seed: list[int]
) -> Triple:
    """Composite, mask and real photo of one image of a set.

    Args:
        name: one of SETS.
        photo: uint8 (H, W, 3).
        mask: uint8 (H, W).
        scene: another background, uint8 of any size, or None; foreign-light alone uses it.
        seed: decides everything.
    """
    if name != "own-size":
        photo, mask = _square(photo), _square(mask)
    hard = np.where(binarize(mask), np.uint8(255), np.uint8(0))
    if name == "nothing":
        return photo, hard, photo
    if name == "foreign-light":
        made = paste(photo, mask, scene if seed[-1] % 4 else None, seed)
        return made.composite, hard, made.real
    composite = make_composite(photo, mask, seed).image
    if name == "own-size":
        _, content = cv2.imencode(".jpg", composite[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        composite = np.where(hard[..., None] > 0, decoded, photo)
    return np.asarray(composite, np.uint8), hard, photo


def make_set(
    name: str,
    files: Sequence[tuple[Path, Path]],
    scenes: Sequence[Path],
    tree: Path,
    seed: int = SEED,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a set in FFHQH's layout, lossless.

    Args:
        name: one of SETS.
        files: photos and their masks.
        scenes: backgrounds for people pasted into another light; may be empty.
        tree: the folder to write to: comp, alpha, real and test_split.txt.
        seed: the first part of each image's seed.
        progress: called with images done and in all.

    Raises:
        BadData: ``name`` is none of SETS.
        BadImage, BadMask: a file cannot be read.
    """
    if name not in SETS:
        raise BadData(f"set: expected one of {', '.join(SETS)}, got {name}")
    for i, (photo_path, mask_path) in enumerate(files):
        photo, mask = load_pair(photo_path, mask_path)
        scene = to_uint8(load(scenes[i % len(scenes)]).rgb) if scenes else None
        triple = make_triple(name, photo, mask, scene, [seed, i])
        for part, pixels in zip(("comp", "alpha", "real"), triple, strict=True):
            ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
            _, content = cv2.imencode(".png", ordered)
            (tree / part).mkdir(parents=True, exist_ok=True)
            write_bytes(tree / part / f"{photo_path.stem}.png", content.tobytes())
        if progress is not None:
            progress(i + 1, len(files))
    write_text(tree / "test_split.txt", "".join(f"{photo.stem}.png\n" for photo, _ in files))


def _square(pixels: Bytes) -> Bytes:
    return np.asarray(cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
