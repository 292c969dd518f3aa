"""Training and validation sets of a recipe, made ready before any process waits for another."""

import logging
from dataclasses import dataclass
from pathlib import Path

from phnet.datasets.shards import is_shards
from phnet.errors import BadData
from phnet.training.cache import Cache, build_cache
from phnet.training.dataset import ValidationImages
from phnet.training.recipe import Recipe
from phnet.training.sources import Source, pair_sources, photo_sources, scene_sources
from phnet.training.streaming import Shards

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sets:
    """The images of a run."""

    train: Cache | Shards
    validation: ValidationImages


def load_sets(recipe: Recipe, cache: Path) -> Sets:
    """Decode a recipe's images into the folder ``cache``, or find them there.

    Processes of one run call this each for itself and help each other; nobody waits at a barrier,
    so it may take hours.
    """
    data = recipe.data

    def decoded(sources: list[Source], size: int) -> Cache:
        return build_cache(sources, size, cache, most_gb=data.cache_gb)

    def sources(split: str) -> list[Source]:
        if data.kind == "pairs":
            return pair_sources(data.folders, split, data.real)
        return photo_sources(data.folders, split)

    if any(map(is_shards, data.folders)):
        if len(data.folders) > 1:
            raise BadData(f"expected one folder of shards and nothing else, got {data.folders}")
        folder, size = Path(data.folders[0]), data.cache_size or data.size
        streamed = Shards(folder, "train", data.kind, size)
        log.info("%d images are read from %d shards", len(streamed), len(streamed.index.files))
        val = decoded(Shards(folder, "val", data.kind, data.size).sources(), data.size)
        return Sets(streamed, ValidationImages(val, data.scene_light > 0, None, data.reading))
    train = decoded(sources("train"), data.cache_size or data.size)
    val = decoded(sources("val"), data.size)
    backgrounds = scene_sources(data.folders, "val") if data.scene_light else []
    scenes = decoded(backgrounds, data.size) if backgrounds else None
    return Sets(train, ValidationImages(val, data.scene_light > 0, scenes, data.reading))
