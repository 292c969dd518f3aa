"""Training images read from shards as they are needed: no cache, whatever the set's size."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from phnet.datasets.shards import ShardIndex, open_shards
from phnet.images.arrays import Bytes
from phnet.training.sources import Source, decoded_planes, squared

WINDOW = 16  # shards that are mixed with each other: about 4 GB are in use at a time


@dataclass(frozen=True)
class Shards:
    """The images of one split of a folder of shards; as :class:`phnet.training.cache.Cache`.

    The image at place g of a run depends on the seed and g alone, as with a cache. The order is
    another: each pass takes the shards in a random order, some at a time, and the images of these
    in a random order.
    """

    folder: Path
    split: str
    kind: str  # photos: photo, mask; pairs: composite, mask, photo
    size: int
    scenes: list[int] = field(default_factory=list)  # none: shards hold people
    rejected: dict[str, str] = field(default_factory=dict)

    @cached_property
    def index(self) -> ShardIndex:
        """Index of the images."""
        return open_shards(self.folder, self.split)

    def __len__(self) -> int:
        return int(self.index.starts[-1])

    def row(self, row: int) -> Bytes:
        """One image, (S, S, 4 or 7)."""
        return squared(self.planes(row), self.size)

    def planes(self, row: int) -> Bytes:
        """One image at its own size, (H, W, 4 or 7)."""
        parts = ("comp", "alpha", "real") if self.kind == "pairs" else ("real", "alpha")
        return decoded_planes(*self.index.read(row, parts))

    def name(self, row: int) -> str:
        """One image's id."""
        return self.index.name(row)

    def mask(self, row: int) -> Bytes:
        """One image's mask, (S, S)."""
        (content,) = self.index.read(row, ("alpha",))
        mask = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        return squared(np.dstack([np.asarray(mask, np.uint8)] * 4), self.size)[..., 0]

    def other(self, row: int, draw: int) -> int:
        """A row of the same shard."""
        shard = self.index.shard(row)
        first, after = map(int, self.index.starts[shard : shard + 2])
        return first + draw % (after - first)

    def order(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """The rows of one pass over the set."""
        starts = self.index.starts
        shards = rng.permutation(len(starts) - 1)
        windows = []
        for i in range(0, len(shards), WINDOW):
            rows = [np.arange(starts[s], starts[s + 1]) for s in shards[i : i + WINDOW]]
            windows.append(rng.permutation(np.concatenate(rows)))
        return np.concatenate(windows)

    def sources(self) -> list[Source]:
        """The images as what a cache is made of."""
        planes = 7 if self.kind == "pairs" else 4
        return [
            Source(self.name(row), partial(self.planes, row), planes=planes)
            for row in range(len(self))
        ]

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes open the index themselves."""
        return {name: value for name, value in self.__dict__.items() if name != "index"}
