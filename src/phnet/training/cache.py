"""Training images decoded once, into a file that is mapped into memory."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from phnet.errors import BadData, PHNetError, TrainingStopped
from phnet.files import replacing, write_text
from phnet.training.sources import Source

log = logging.getLogger(__name__)

MOST_UNREADABLE = 0.01  # share of a set that may be unreadable before a run stops


@dataclass(frozen=True)
class Cache:
    """Decoded images of one size in one file."""

    path: Path
    size: int
    planes: int  # 4: photo, mask; 7: composite, mask, real
    ids: list[str]
    rejected: dict[str, str]  # id: why
    scenes: list[int] = field(default_factory=list)  # rows that can stand behind any person

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
    key = hashlib.sha256(json.dumps([2, size, [s.id for s in sources]]).encode()).hexdigest()[:16]
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
    return Cache(pixel_path, size, index["planes"], index["ids"], rejected, index["scenes"])


def _fill_cache(sources: Sequence[Source], size: int, index_path: Path, pixel_path: Path) -> None:
    ids: list[str] = []
    scenes: list[int] = []
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
            # OpenCV resizes at most four channels with INTER_AREA at its best speed, and
            # enlarges with it by repeating pixels.
            method = cv2.INTER_AREA if min(pixels.shape[:2]) >= size else cv2.INTER_CUBIC
            parts = [
                cv2.resize(pixels[..., i : i + 4], (size, size), interpolation=method)
                for i in range(0, planes, 4)
            ]
            if source.scene:
                scenes.append(len(ids))
            handle.write(np.concatenate(parts, 2).tobytes())
            ids.append(source.id)
    if not ids:
        raise BadData(f"none of {len(sources)} images can be read")
    write_text(
        index_path,
        json.dumps({"ids": ids, "rejected": rejected, "planes": planes, "scenes": scenes}),
    )
