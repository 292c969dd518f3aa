"""What a recipe trains and validates on, made ready before any process waits for another."""

from dataclasses import dataclass
from pathlib import Path

from phnet.training.cache import Cache, build_cache
from phnet.training.dataset import ValidationImages
from phnet.training.recipe import Recipe
from phnet.training.sources import Source, pair_sources, photo_sources, scene_sources


@dataclass(frozen=True)
class Sets:
    """The images of a run."""

    train: Cache
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

    train = decoded(sources("train"), data.cache_size or data.size)
    val = decoded(sources("val"), data.size)
    backgrounds = scene_sources(data.folders, "val") if data.scene_light else []
    scenes = decoded(backgrounds, data.size) if backgrounds else None
    return Sets(train, ValidationImages(val, data.scene_light > 0, scenes, data.reading))
