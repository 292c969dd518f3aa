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
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from phnet.datasets.augmentation import random_crop, vary_light, vary_mask, vary_photo
from phnet.datasets.synthesis import Pixels, binarise, make_composite
from phnet.training.cache import Cache
from phnet.training.recipe import Data
from phnet.training.sources import fit

VALIDATION_SEED = 2024


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
        photo, alpha = fit(planes[..., :3], data.size), fit(planes[..., 3], data.size)
        varied = rng.random() < data.vary
        if varied or (data.crop and rng.random() < data.crop):
            cropped, cut = random_crop(planes[..., :3], planes[..., 3], data.size, rng)
            if 0.01 < binarise(cut).mean() < 0.97:
                photo, alpha = cropped, cut
        if varied:
            photo = vary_photo(photo, rng)
        if data.flip and rng.random() < data.flip:
            photo, alpha = np.ascontiguousarray(photo[:, ::-1]), alpha[:, ::-1]
        mask = binarise(alpha)
        if rng.random() < data.masks:
            other = self.cache.pixels[int(rng.integers(len(self.cache)))][..., 3]
            mask = vary_mask(mask, binarise(fit(np.asarray(other), data.size)), rng)
        if data.untouched and rng.random() < data.untouched:
            composite = photo.copy()
        elif rng.random() < data.light:
            composite = np.where(mask[..., None], vary_light(photo, rng), photo)
        else:
            composite = make_composite(photo, mask, rng).image
        if data.mild and rng.random() < data.mild:
            share = float(rng.random())
            mixed = cv2.addWeighted(composite, share, photo, 1 - share, 0)
            composite = np.asarray(mixed, np.uint8)
        return composite, mask, photo

    def _pair(
        self, planes: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, npt.NDArray[np.bool_], Pixels]:
        flip = max(self.data.vary / 2, self.data.flip)
        planes = planes[:, ::-1] if rng.random() < flip else planes
        composite, mask, real = (
            fit(np.ascontiguousarray(planes[..., part]), self.data.size)
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
