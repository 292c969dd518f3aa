"""The sequence of a run's training images, varied as they are drawn; and the validation images.

The image shown at place ``g`` of a run is a function of the seed and ``g`` alone. A resumed
run therefore sees what an uninterrupted one would have seen, on any number of workers.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from phnet.datasets.augmentation import random_crop, vary_light, vary_mask, vary_photo
from phnet.datasets.scene_light import (
    draw_backdrop,
    is_plain,
    make_scene_light,
    resized,
    traces,
)
from phnet.datasets.synthesis import Reading, binarize, make_composite
from phnet.images.arrays import Bools, Bytes, Pixels
from phnet.training.cache import Cache
from phnet.training.recipe import Data
from phnet.training.sources import fit
from phnet.training.streaming import Shards

VALIDATION_SEED = 2024


class TrainingImages(Dataset[dict[str, Any]]):
    """The endless sequence of a run's training images; index ``g`` is the place in the run."""

    def __init__(self, cache: Cache | Shards, data: Data, seed: int) -> None:
        self.cache = cache
        self.data = data
        self.seed = seed
        self.scenes = cache.scenes
        self._epoch = -1
        self._order = np.arange(0)

    def _row(self, g: int) -> int:
        """The cache's row at place ``g``: every epoch is a permutation of its own."""
        epoch, place = divmod(g, len(self.cache))
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, 1, epoch])
            self._epoch, self._order = epoch, self.cache.order(rng)
        return int(self._order[place])

    def __getitem__(self, g: int) -> dict[str, Any]:
        """Composite, mask and real photo at place ``g``: uint8 (3 or 1, S, S), light and id."""
        row = self._row(g)
        rng = np.random.default_rng([self.seed, 2, g])
        planes = self.cache.row(row)
        if planes.shape[2] == 7:
            return _tensors(*self._pair(planes, rng), self.cache.name(row))
        made, light = self._synthesize(planes, row, rng)
        return _tensors(*made, self.cache.name(row), light)

    def _synthesize(
        self, planes: Bytes, row: int, rng: np.random.Generator
    ) -> tuple[tuple[Bytes, Bytes, Bytes], float]:
        """A composite, its mask and its photo; and the light that a user would ask for."""
        data = self.data
        size = data.size
        if data.own_size and rng.random() < data.own_size:
            size = int(rng.integers(size, self.cache.size + 1))
        photo, mask = self._photo(planes, row, size, rng)
        light = 0.0
        if data.backdrops and is_plain(photo, mask) and rng.random() < data.backdrops:
            light = 1.0  # what stands before nothing is lit by nothing: it stays as it is
            if rng.random() < 0.5:
                photo = np.where(mask[..., None], photo, draw_backdrop(size, rng))
            composite = photo
        elif data.scene_light and rng.random() < data.scene_light:
            light = 1.0
            composite, photo = self._relit(photo, mask, row, rng)
        else:
            composite = self._recolored(photo, mask, rng)
            if data.scene_light and photo is composite and rng.random() < 0.4:
                light = 1.0  # what needs nothing needs nothing under either wish
        alpha = _hard(mask)
        if data.traces and rng.random() < data.traces:
            composite, photo = traces([composite, photo], rng, data.size)
        elif size != data.size:
            composite, photo = resized([composite, photo], data.size, rng)
        return (composite, fit(alpha, data.size), photo), light

    def _photo(
        self, planes: Bytes, row: int, size: int, rng: np.random.Generator
    ) -> tuple[Bytes, Bools]:
        """The photo of a row and its foreground, varied, at ``size``."""
        data = self.data
        photo, alpha = fit(planes[..., :3], size), fit(planes[..., 3], size)
        varied = rng.random() < data.vary
        if varied or (data.crop and rng.random() < data.crop):
            cropped, cut = random_crop(planes[..., :3], planes[..., 3], size, rng)
            if 0.01 < binarize(cut).mean() < 0.97:
                photo, alpha = cropped, cut
        if varied:
            photo = vary_photo(photo, rng)
        if data.flip and rng.random() < data.flip:
            photo, alpha = np.ascontiguousarray(photo[:, ::-1]), alpha[:, ::-1]
        mask = binarize(alpha)
        if rng.random() < data.masks:
            other = self.cache.mask(self.cache.other(row, int(rng.integers(len(self.cache)))))
            mask = vary_mask(mask, binarize(fit(other, size)), rng)
        return photo, mask

    def _recolored(self, photo: Bytes, mask: Bools, rng: np.random.Generator) -> Bytes:
        """A composite of the paper's task; the photo itself where nothing is to be done."""
        data = self.data
        if data.untouched and rng.random() < data.untouched:
            return photo
        if rng.random() < data.tint:
            composite = np.where(mask[..., None], vary_light(photo, rng), photo)
        else:
            composite = make_composite(photo, mask, rng, data.reading).image
        if data.mild and rng.random() < data.mild:
            share = float(rng.random())
            mixed = cv2.addWeighted(composite, share, photo, 1 - share, 0)
            composite = np.asarray(mixed, np.uint8)
        return composite

    def _relit(
        self, photo: Bytes, mask: Bools, row: int, rng: np.random.Generator
    ) -> tuple[Bytes, Bytes]:
        """A paste under foreign light, and what it should become; one in twelve needs nothing."""
        scene = None
        if len(self.scenes):
            other = int(self.scenes[int(rng.integers(len(self.scenes)))])
            if other != row:
                scene = self.cache.row(other)[..., :3]
                scene = fit(scene[:, ::-1] if rng.random() < 0.5 else scene, photo.shape[0])
        made, real = make_scene_light(photo, mask, rng, scene)
        return (real if rng.random() < 1 / 12 else made.image), real

    def _pair(self, planes: Bytes, rng: np.random.Generator) -> tuple[Bytes, Bytes, Bytes]:
        flip = max(self.data.vary / 2, self.data.flip)
        planes = planes[:, ::-1] if rng.random() < flip else planes
        composite, mask, real = (
            fit(np.ascontiguousarray(planes[..., part]), self.data.size)
            for part in (slice(0, 3), 3, slice(4, 7))
        )
        return composite, _hard(mask), real


class ValidationImages(Dataset[dict[str, Any]]):
    """Every validation image once: the paper's recipe with fixed seeds, or the set's own pairs.

    Args:
        cache: the photos, or pairs.
        relit: with photos, whether a paste under foreign light stands beside each.
        scenes: backgrounds for every second one of these; None for none.
        reading: of section 3.2, see :func:`phnet.datasets.synthesis.make_composite`.
    """

    def __init__(
        self,
        cache: Cache,
        relit: bool = False,
        scenes: Cache | None = None,
        reading: Reading = "photo",
    ) -> None:
        self.cache = cache
        self.relit = relit
        self.scenes = scenes
        self.reading = reading

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """Composite, mask and real photo ``row``; relit and relit_real where asked for."""
        planes = self.cache.row(row)
        name = self.cache.name(row)
        if planes.shape[2] == 7:
            return _tensors(planes[..., :3], _hard(planes[..., 3]), planes[..., 4:], name)
        photo = planes[..., :3]
        made = make_composite(photo, planes[..., 3], [VALIDATION_SEED, row], self.reading)
        item = _tensors(made.image, _hard(made.mask), photo, name)
        if self.relit:
            scene = None
            if self.scenes is not None:
                scene = self.scenes.row(row % len(self.scenes))[..., :3]
            relit, real = make_scene_light(photo, made.mask, [VALIDATION_SEED, 1, row], scene)
            item |= {"relit": _planes(relit.image), "relit_real": _planes(real)}
        return item


def _hard(mask: Pixels) -> Bytes:
    """0 and 255."""
    return np.where(binarize(mask), np.uint8(255), np.uint8(0))


def _planes(picture: Bytes) -> torch.Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).copy())


def _tensors(
    composite: Bytes, mask: Bytes, real: Bytes, name: str, light: float = 0.0
) -> dict[str, Any]:
    """``mask`` is uint8 (S, S); hard ones come back as 0 and 255."""
    return {
        "composite": _planes(composite),
        "mask": torch.from_numpy(np.ascontiguousarray(mask)[None]),
        "real": _planes(real),
        "light": np.float32(light),
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


def loaded(
    images: TrainingImages, places: Places, workers: int, pinned: bool
) -> Iterator[dict[str, Any]]:
    """The batches at ``places``, made by ``workers`` processes (0: by this one)."""
    loader = DataLoader(
        images,
        batch_sampler=places,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=pinned,
        multiprocessing_context="forkserver" if workers else None,
        worker_init_fn=_quiet_worker,
    )
    return iter(loader)


def _quiet_worker(_: int) -> None:
    """A loader process leaves Ctrl-C to the main one and keeps to one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
