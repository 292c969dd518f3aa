"""Sources of training images: folders of photos with masks, packs, trees of pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.datasets.archive import Packed, members, pack, read_member
from phnet.datasets.readers import Sample, read, splits
from phnet.datasets.shards import held_out
from phnet.datasets.synthesis import binarize
from phnet.errors import BadData
from phnet.images.arrays import Bytes, to_uint8

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Source:
    """One image of the set, not yet decoded."""

    id: str
    load: Callable[[], Bytes]  # planes (H, W, 4): photo, mask; or (H, W, 7): composite, mask, real
    scene: bool = False  # may stand behind any person
    planes: int = 4


def _decode(content: bytes, flags: int) -> Bytes:
    buffer = np.frombuffer(content, np.uint8)
    pixels = cv2.imdecode(buffer, flags) if buffer.size else None
    if pixels is None:
        raise ValueError("not an image that can be decoded")
    if flags == cv2.IMREAD_COLOR:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.asarray(pixels, np.uint8)


def _photo_planes(photo: bytes, mask: bytes) -> Bytes:
    rgb, alpha = _decode(photo, cv2.IMREAD_COLOR), _decode(mask, cv2.IMREAD_GRAYSCALE)
    if rgb.shape[:2] != alpha.shape:
        raise ValueError(f"photo is {rgb.shape[1]}x{rgb.shape[0]}, mask {alpha.shape[::-1]}")
    if not 0 < binarize(alpha).mean() < 1:
        raise ValueError("mask is empty or covers everything")
    return np.dstack([rgb, alpha])


def decoded_planes(first: bytes, mask: bytes, real: bytes | None = None) -> Bytes:
    """Encoded files as planes: photo, mask (H, W, 4); with ``real``: composite, mask, real, 7.

    Raises:
        ValueError: one cannot be decoded, they differ in size, or the mask divides nothing.
    """
    if real is None:
        return _photo_planes(first, mask)
    pictures = [_decode(content, cv2.IMREAD_COLOR) for content in (first, real)]
    alpha = _decode(mask, cv2.IMREAD_GRAYSCALE)
    if not pictures[0].shape[:2] == alpha.shape == pictures[1].shape[:2]:
        raise ValueError("composite, mask and real photo differ in size")
    hard = np.where(binarize(alpha), np.uint8(255), np.uint8(0))  # as pairs are read from a tree
    return np.dstack([pictures[0], hard, pictures[1]])


def _load_photo(photo: Path, mask: Path) -> Bytes:
    return _photo_planes(photo.read_bytes(), mask.read_bytes())


def _load_packed(pack: Path, photo: str, mask: str) -> Bytes:
    return _photo_planes(read_member(pack, photo), read_member(pack, mask))


def photo_sources(folders: Sequence[str], split: str) -> list[Source]:
    """Photos ``ID.jpg`` with masks ``ID.png`` in ``FOLDER/split``, or in a FOLDER without splits.

    A folder without splits holds scenes: they are trained on, and stand behind people pasted
    into them. Those whose number ends in 8 belong to val, in 9 to test, as backgrounds alone.
    A folder may also be a pack (:mod:`phnet.datasets.archive`).
    """
    sources: list[Source] = []
    for folder in map(Path, folders):
        if folder.suffix == ".zip":
            sources += [
                Source(
                    f"{folder.stem}/{name}",
                    partial(_load_packed, folder, photo, mask),
                    scene="scene_" in name,
                )
                for name, photo, mask in members(folder, split)
            ]
            continue
        if not folder.is_dir():
            raise BadData(f"{folder}: expected a folder of photos with masks, found none")
        if (folder / split).is_dir():
            sources += _in_folder(folder, folder / split)
        elif split == "train" and not _has_splits(folder):
            sources += scene_sources([str(folder)], split)
    return sources


def scene_sources(folders: Sequence[str], split: str) -> list[Source]:
    """The backgrounds of one split from those folders that have no splits."""
    return [
        replace(source, scene=True)
        for folder in map(Path, folders)
        if folder.is_dir() and not _has_splits(folder)
        for source in _in_folder(folder, folder)
        if scene_split(source.id) == split
    ]


def _has_splits(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in ("train", "val"))


def _in_folder(folder: Path, place: Path) -> list[Source]:
    """Photos with masks of ``place``, named after ``folder``."""
    sources = []
    for photo in sorted(place.iterdir()):
        mask = photo.with_suffix(".png")
        if photo.suffix.lower() in PHOTO_SUFFIXES and photo != mask and mask.exists():
            name = f"{folder.name}/{photo.stem}"
            sources.append(Source(name, partial(_load_photo, photo, mask)))
    return sources


def scene_split(stem: str) -> str:
    """Split of a scene by the last digit of its number: 8 val, 9 test, others train."""
    return {"8": "val", "9": "test"}.get(stem[-1:], "train")


def pair_sources(folders: Sequence[str], split: str, real: str) -> list[Source]:
    """Triples of iHarmony4 or FFHQH trees.

    iHarmony4 has no validation split: one photo in 50 of its training split is held out, with
    all its composites, by a hash of the photo's name.
    """
    sources: list[Source] = []
    for folder in folders:
        has_val = "val" in splits(folder)
        for sample in read(folder, split if has_val else "train", real=real or None):
            photo = f"{sample.subset}/{sample.real_path.stem}"
            if has_val or held_out(photo) == (split == "val"):
                name = f"{sample.subset}/{sample.id}"
                sources.append(Source(name, partial(_load_pair, sample), planes=7))
    if split == "val" and not sources:
        raise BadData(
            f"{', '.join(map(str, folders))}: expected composites to validate on, but the hold-out "
            "(one photo in 50 where there is no split val) is empty"
        )
    return sources


def _load_pair(sample: Sample) -> Bytes:
    composite, mask, real = (to_uint8(p) for p in (sample.composite, sample.mask, sample.real))
    if not composite.shape[:2] == mask.shape == real.shape[:2]:
        raise ValueError("composite, mask and real photo differ in size")
    return np.dstack([composite, mask, real])


def pack_photos(folders: Sequence[str], output: Path, size: int, max_bytes: int) -> dict[str, Any]:
    """Write the photos of the train and val splits as a pack (:mod:`phnet.datasets.archive`).

    Returns:
        What was written: counts of both splits, quality, bytes, and what was skipped and why.
    """
    found = {split: photo_sources(folders, split) for split in ("train", "val")}
    sources = [(split, source) for split, some in found.items() for source in some]
    skipped: dict[str, str] = {}

    def load(i: int) -> Packed | None:
        split, source = sources[i]
        try:
            planes = fit(source.load(), size)
        except (OSError, ValueError, cv2.error) as error:
            skipped[source.id] = str(error)
            return None
        return split, source.id.replace("/", "-"), planes[..., :3], planes[..., 3]

    if not sources:
        raise BadData(f"expected photos with masks in {', '.join(folders)}, found none")
    quality, written = pack(load, len(sources), output, max_bytes)
    counts = {split: len(some) for split, some in found.items()}
    return {**counts, "quality": quality, "bytes": written, "skipped": skipped}


def fit(pixels: Bytes, size: int) -> Bytes:
    """Resized to a square of ``size``, where it is none yet."""
    if pixels.shape[0] == size:
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def squared(pixels: Bytes, size: int) -> Bytes:
    """Planes (H, W, 4 or 7) as a square of ``size``: by area, or cubic where it enlarges.

    OpenCV resizes at most four channels with INTER_AREA at its best speed, and enlarges with it by
    repeating pixels.
    """
    method = cv2.INTER_AREA if min(pixels.shape[:2]) >= size else cv2.INTER_CUBIC
    parts = [
        cv2.resize(pixels[..., i : i + 4], (size, size), interpolation=method)
        for i in range(0, pixels.shape[2], 4)
    ]
    return np.concatenate(parts, 2)
