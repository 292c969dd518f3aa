"""Training from shards: the pixels of the tree's own files, an order of its own, no cache."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from phnet.datasets.shards import write_shards
from phnet.errors import BadData
from phnet.training import streaming
from phnet.training.cache import Share, build_cache
from phnet.training.dataset import TrainingImages
from phnet.training.recipe import Data, Schedule
from phnet.training.sets import load_sets
from phnet.training.sources import pair_sources
from phnet.training.streaming import Shards
from phnet.training.trainer import Trainer
from tests.training.test_trainer import recipe


@pytest.fixture
def shards(tmp_path: Path, pair_tree: Path) -> Path:
    write_shards(pair_tree, tmp_path / "shards", shard_bytes=12_000)
    return tmp_path / "shards"


def test_rows_are_those_of_a_cache(tmp_path: Path, pair_tree: Path, shards: Path) -> None:
    cache = build_cache(pair_sources([str(pair_tree)], "train", ""), 32, tmp_path, Share())
    streamed = Shards(shards, "train", "pairs", 32)
    assert sorted(streamed.name(row) for row in range(5)) == sorted(cache.ids)
    for row in range(5):
        same = cache.ids.index(streamed.name(row))
        np.testing.assert_array_equal(streamed.row(row), cache.row(same))
        photos = Shards(shards, "train", "photos", 32)
        np.testing.assert_array_equal(photos.row(row)[..., :3], cache.row(same)[..., 4:])
        np.testing.assert_array_equal(photos.row(row)[..., 3], photos.mask(row))
        assert set(np.unique(photos.mask(row))) > {0, 255}  # soft, as with a folder of photos


def test_a_pass_shows_each_image_once_some_shards_at_a_time(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "WINDOW", 2)
    streamed = Shards(shards, "train", "pairs", 32)
    orders = [streamed.order(np.random.default_rng(seed)).tolist() for seed in range(8)]
    assert orders[0] == streamed.order(np.random.default_rng(0)).tolist()
    assert all(sorted(order) == list(range(5)) for order in orders)
    assert len({tuple(order) for order in orders}) > 4
    for order in orders:
        seen = [streamed.index.shard(row) for row in order]
        counts = np.diff(streamed.index.starts)
        first = int(sum(counts[s] for s in list(dict.fromkeys(seen))[:2]))
        assert len(set(seen[:first])) <= 2
    for row in range(5):
        other = streamed.other(row, 3)
        assert streamed.index.shard(other) == streamed.index.shard(row)


def test_an_image_is_a_function_of_seed_and_place(shards: Path) -> None:
    data = Data(kind="photos", size=24, cache_size=32, vary=0.5, masks=0.5)

    def drawn(places: range) -> list[torch.Tensor]:
        images = TrainingImages(Shards(shards, "train", "photos", 32), data, 3)
        return [images[g]["composite"] for g in places]

    for a, b in zip(drawn(range(4, 9)), drawn(range(8, 3, -1))[::-1], strict=True):
        assert torch.equal(a, b)


def test_a_run_on_shards_needs_no_cache_of_its_training_images(
    tmp_path: Path, shards: Path
) -> None:
    on_shards = replace(
        recipe(shards),
        data=Data(kind="pairs", folders=(str(shards),), size=32, workers=1),
        schedule=Schedule(images=16),
    )
    trainer = Trainer(on_shards, tmp_path / "run", pictures=False)
    trainer.run()
    assert trainer.step == 4
    (pixels,) = (tmp_path / "run" / "cache").glob("*.u8")
    assert pixels.stat().st_size == 2 * 32 * 32 * 7  # val alone
    both = replace(on_shards.data, folders=(str(shards), str(tmp_path)))
    with pytest.raises(BadData, match="one folder of shards"):
        load_sets(replace(on_shards, data=both), tmp_path)
