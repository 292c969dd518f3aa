"""Training images: decoded once into a memory-mapped cache, varied as they are drawn.

The image shown at place ``g`` of a run is a function of the seed and ``g`` alone. A resumed
run therefore sees what an uninterrupted one would have seen, on any number of workers.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from phnet.data.pack import Packed, members, pack, read_member
from phnet.data.samples import Sample, read, splits
from phnet.data.synthesis import Pixels, binarise, make_composite
from phnet.data.variation import random_crop, vary_light, vary_mask, vary_photo
from phnet.errors import BadData, PHNetError, TrainingStopped
from phnet.files import replacing, write_text
from phnet.learn.recipe import Data

log = logging.getLogger(__name__)

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MOST_UNREADABLE = 0.01  # share of a set that may be unreadable before a run stops
VALIDATION_SEED = 2024


@dataclass(frozen=True)
class Source:
    """One image of the set, not yet decoded."""

    id: str
    load: Callable[[], Pixels]  # planes (H, W, 4): photo, mask; or (H, W, 7): composite, mask, real


def _decode(content: bytes, flags: int) -> Pixels:
    buffer = np.frombuffer(content, np.uint8)
    pixels = cv2.imdecode(buffer, flags) if buffer.size else None
    if pixels is None:
        raise ValueError("not an image that can be decoded")
    if flags == cv2.IMREAD_COLOR:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.asarray(pixels, np.uint8)


def _photo_planes(photo: bytes, mask: bytes) -> Pixels:
    rgb, alpha = _decode(photo, cv2.IMREAD_COLOR), _decode(mask, cv2.IMREAD_GRAYSCALE)
    if rgb.shape[:2] != alpha.shape:
        raise ValueError(f"photo is {rgb.shape[1]}x{rgb.shape[0]}, mask {alpha.shape[::-1]}")
    if not 0 < binarise(alpha).mean() < 1:
        raise ValueError("mask is empty or covers everything")
    return np.dstack([rgb, alpha])


def _load_photo(photo: Path, mask: Path) -> Pixels:
    return _photo_planes(photo.read_bytes(), mask.read_bytes())


def _load_packed(pack: Path, photo: str, mask: str) -> Pixels:
    return _photo_planes(read_member(pack, photo), read_member(pack, mask))


def photo_sources(folders: Sequence[str], split: str) -> list[Source]:
    """Photos ``ID.jpg`` with masks ``ID.png`` in ``FOLDER/split``, or in a FOLDER without splits.

    A folder without splits belongs to the training set only. A folder may also be a pack
    (:mod:`phnet.data.pack`).
    """
    sources: list[Source] = []
    for folder in map(Path, folders):
        if folder.suffix == ".zip":
            sources += [
                Source(f"{folder.stem}/{name}", partial(_load_packed, folder, photo, mask))
                for name, photo, mask in members(folder, split)
            ]
            continue
        if not folder.is_dir():
            raise BadData(f"{folder}: expected a folder of photos with masks, found none")
        place = folder / split
        if not place.is_dir():
            if split != "train" or (folder / "val").is_dir():
                continue
            place = folder
        for photo in sorted(place.iterdir()):
            mask = photo.with_suffix(".png")
            if photo.suffix.lower() in PHOTO_SUFFIXES and photo != mask and mask.exists():
                name = f"{folder.name}/{photo.stem}"
                sources.append(Source(name, partial(_load_photo, photo, mask)))
    return sources


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
            held_out = hashlib.sha256(photo.encode()).digest()[0] * 50 < 256
            if has_val or held_out == (split == "val"):
                name = f"{sample.subset}/{sample.id}"
                sources.append(Source(name, partial(_load_pair, sample)))
    return sources


def _load_pair(sample: Sample) -> Pixels:
    composite, mask, real = (_bytes(p) for p in (sample.composite, sample.mask, sample.real))
    if not composite.shape[:2] == mask.shape == real.shape[:2]:
        raise ValueError("composite, mask and real photo differ in size")
    return np.dstack([composite, mask, real])


def _bytes(pixels: npt.NDArray[np.float32]) -> Pixels:
    return np.asarray(np.rint(pixels * 255), np.uint8)


@dataclass(frozen=True)
class Cache:
    """Decoded images of one size in one file."""

    path: Path
    size: int
    planes: int  # 4: photo, mask; 7: composite, mask, real
    ids: list[str]
    rejected: dict[str, str]  # id: why

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Memory-mapped (N, S, S, planes)."""
        shape = (len(self), self.size, self.size, self.planes)
        return np.memmap(self.path, np.uint8, "r", shape=shape)

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes map the file themselves instead of receiving its content."""
        return {name: value for name, value in self.__dict__.items() if name != "pixels"}


def build_cache(sources: Sequence[Source], size: int, folder: Path) -> Cache:
    """Decode and resize all sources once; a finished cache is found again by its key.

    Raises:
        BadData: there is no image at all.
        TrainingStopped: more than 1% cannot be read; the first are named.
    """
    if not sources:
        raise BadData("expected at least one image with its mask to train on, found none")
    key = hashlib.sha256(json.dumps([size, [s.id for s in sources]]).encode()).hexdigest()[:16]
    index_path, pixel_path = folder / f"{key}.json", folder / f"{key}.u8"
    if not index_path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _fill_cache(sources, size, index_path, pixel_path)
    index = json.loads(index_path.read_text("utf-8"))
    rejected: dict[str, str] = index["rejected"]
    if len(rejected) > MOST_UNREADABLE * len(sources):
        named = "; ".join(f"{name}: {why}" for name, why in list(rejected.items())[:5])
        raise TrainingStopped(
            f"{len(rejected)} of {len(sources)} images cannot be used, more than 1%: {named}"
        )
    return Cache(pixel_path, size, index["planes"], index["ids"], rejected)


def _fill_cache(sources: Sequence[Source], size: int, index_path: Path, pixel_path: Path) -> None:
    ids: list[str] = []
    rejected: dict[str, str] = {}
    planes = 0
    with replacing(pixel_path) as temporary, temporary.open("wb") as handle:
        for source in sources:
            try:
                pixels = source.load()
            except (OSError, ValueError, PHNetError, cv2.error) as error:
                rejected[source.id] = str(error)
                log.warning("%s is skipped: %s", source.id, error)
                continue
            planes = pixels.shape[2]
            # OpenCV resizes at most four channels with INTER_AREA at its best speed
            parts = [
                cv2.resize(pixels[..., i : i + 4], (size, size), interpolation=cv2.INTER_AREA)
                for i in range(0, planes, 4)
            ]
            handle.write(np.concatenate(parts, 2).tobytes())
            ids.append(source.id)
    if not ids:
        raise BadData(f"none of {len(sources)} images can be read")
    write_text(index_path, json.dumps({"ids": ids, "rejected": rejected, "planes": planes}))


class TrainingImages(Dataset[dict[str, Any]]):
    """The endless sequence of a run's training images; index ``g`` is the place in the run."""

    def __init__(self, cache: Cache, data: Data, seed: int) -> None:
        self.cache = cache
        self.data = data
        self.seed = seed
        self._epoch = -1
        self._order = np.arange(0)

    def _row(self, g: int) -> int:
        """The cache's row at place ``g``: every epoch is a permutation of its own."""
        epoch, place = divmod(g, len(self.cache))
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, 1, epoch])
            self._epoch, self._order = epoch, rng.permutation(len(self.cache))
        return int(self._order[place])

    def __getitem__(self, g: int) -> dict[str, Any]:
        """Composite, mask and real photo at place ``g``: uint8 (3 or 1, S, S), and the id."""
        row = self._row(g)
        rng = np.random.default_rng([self.seed, 2, g])
        planes = np.asarray(self.cache.pixels[row])
        make = self._pair if planes.shape[2] == 7 else self._synthesize
        composite, mask, real = make(planes, rng)
        return _tensors(composite, mask, real, self.cache.ids[row])

    def _synthesize(
        self, planes: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, npt.NDArray[np.bool_], Pixels]:
        data = self.data
        photo, alpha = _fit(planes[..., :3], data.size), _fit(planes[..., 3], data.size)
        if rng.random() < data.vary:
            cropped, cut = random_crop(planes[..., :3], planes[..., 3], data.size, rng)
            if 0.01 < binarise(cut).mean() < 0.97:
                photo, alpha = cropped, cut
            photo = vary_photo(photo, rng)
        mask = binarise(alpha)
        if rng.random() < data.masks:
            other = self.cache.pixels[int(rng.integers(len(self.cache)))][..., 3]
            mask = vary_mask(mask, binarise(_fit(np.asarray(other), data.size)), rng)
        if data.untouched and rng.random() < data.untouched:
            composite = photo.copy()
        elif rng.random() < data.light:
            composite = np.where(mask[..., None], vary_light(photo, rng), photo)
        else:
            composite = make_composite(photo, mask, rng).image
        return composite, mask, photo

    def _pair(
        self, planes: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, npt.NDArray[np.bool_], Pixels]:
        planes = planes[:, ::-1] if rng.random() < self.data.vary / 2 else planes
        composite, mask, real = (
            _fit(np.ascontiguousarray(planes[..., part]), self.data.size)
            for part in (slice(0, 3), 3, slice(4, 7))
        )
        return composite, binarise(mask), real


class ValidationImages(Dataset[dict[str, Any]]):
    """Every validation image once: the paper's recipe with fixed seeds, or the set's own pairs."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """Composite, mask and real photo ``row``."""
        planes = np.asarray(self.cache.pixels[row])
        if planes.shape[2] == 7:
            mask = binarise(planes[..., 3])
            return _tensors(planes[..., :3], mask, planes[..., 4:], self.cache.ids[row])
        made = make_composite(planes[..., :3], planes[..., 3], [VALIDATION_SEED, row])
        return _tensors(made.image, made.mask, planes[..., :3], self.cache.ids[row])


def _fit(pixels: Pixels, size: int) -> Pixels:
    if pixels.shape[0] == size:
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _tensors(
    composite: Pixels, mask: npt.NDArray[np.bool_], real: Pixels, name: str
) -> dict[str, Any]:
    return {
        "composite": torch.from_numpy(composite.transpose(2, 0, 1).copy()),
        "mask": torch.from_numpy(mask[None].astype(np.uint8)),
        "real": torch.from_numpy(real.transpose(2, 0, 1).copy()),
        "id": name,
    }


@dataclass(frozen=True)
class Places:
    """This process's places of each global batch, for steps ``start`` to ``stop``."""

    start: int
    stop: int
    batch: int
    rank: int = 0
    world: int = 1

    def __iter__(self) -> Iterator[list[int]]:
        """One list of places a step."""
        share = self.batch // self.world
        for step in range(self.start, self.stop):
            first = step * self.batch + self.rank * share
            yield list(range(first, first + share))


def pack_photos(folders: Sequence[str], output: Path, size: int, max_bytes: int) -> dict[str, Any]:
    """Write the photos of the train and val splits as a pack (:mod:`phnet.data.pack`).

    Returns:
        What was written: counts of both splits, quality, bytes, and what was skipped and why.
    """
    found = {split: photo_sources(folders, split) for split in ("train", "val")}
    sources = [(split, source) for split, some in found.items() for source in some]
    skipped: dict[str, str] = {}

    def load(i: int) -> Packed | None:
        split, source = sources[i]
        try:
            planes = _fit(source.load(), size)
        except (OSError, ValueError, cv2.error) as error:
            skipped[source.id] = str(error)
            return None
        return split, source.id.replace("/", "-"), planes[..., :3], planes[..., 3]

    if not sources:
        raise BadData(f"expected photos with masks in {', '.join(folders)}, found none")
    quality, written = pack(load, len(sources), output, max_bytes)
    counts = {split: len(some) for split, some in found.items()}
    return {**counts, "quality": quality, "bytes": written, "skipped": skipped}
